import MartletFormats
import MartletModels
import MartletTensor
import MartletTokenizers

/// What a teacher behind a URL finds most likely at every learnt token, asked once and kept in the run's folder
/// (`teacher/00000.safetensors`, so many sequences each): a run that goes on asks for what is missing, and has the same bits.
struct TeacherStore {
    let folder: String
    /// Of the texts, the teacher, and how many candidates.
    let fingerprint: String
    let sequences: [EncodedChat]
    static let key = "martlet.teacher"
    private static let ofAFile = 32

    /// A learnt token's candidates with probabilities.
    typealias Row = [(token: Int32, probability: Float)]

    private var fileCount: Int { (sequences.count + Self.ofAFile - 1) / Self.ofAFile }

    private func range(_ file: Int) -> Range<Int> {
        file * Self.ofAFile..<min((file + 1) * Self.ofAFile, sequences.count)
    }

    private func path(_ file: Int) -> String {
        let digits = String(file)
        return "\(folder)/\(String(repeating: "0", count: max(0, 5 - digits.count)))\(digits).safetensors"
    }

    /// Asks for what is not there yet.
    /// - Parameter progress: sequences done, and all; false ends it.
    /// - Throws: `TeacherError`; `TrainingError` for files of something else; `CancellationError`.
    func fill(_ teacher: RemoteTeacher, _ tokenizer: Tokenizer, progress: (Int, Int) -> Bool) throws {
        try makeFolder(folder)
        for file in 0..<fileCount {
            if Folder.isFile(path(file)) {
                _ = try opened(file)
                continue
            }
            let part = range(file)
            guard progress(part.lowerBound, sequences.count) else { throw CancellationError() }
            let found = try teacher.likeliest(sequences[part].map(\.tokens), tokenizer)
            var tokens: [Int32] = [], values: [Float] = [], rows = 0
            for (sequence, candidates) in zip(sequences[part], found) {
                for place in sequence.tokens.indices.dropFirst() where sequence.isTrained[place] {
                    let row = candidates[place - 1]
                    rows += 1
                    for index in 0..<teacher.top {
                        let isThere = row.indices.contains(index)
                        tokens.append(isThere ? row[index].token : -1)
                        values.append(isThere ? row[index].logProbability : -.infinity)
                    }
                }
            }
            try SafetensorsWriter.write(
                [
                    ("tokens", Tensor(tokens, shape: [rows, teacher.top])),
                    ("log_probabilities", Tensor(values, shape: [rows, teacher.top])),
                ], metadata: [Self.key: fingerprint], to: path(file))
        }
    }

    private func opened(_ file: Int) throws -> SafetensorsFile {
        let opened = try SafetensorsFile(path: path(file))
        guard opened.metadata[Self.key] == fingerprint else {
            throw TrainingError(
                .data,
                "\(path(file)) was asked of another teacher or for other texts (\(opened.metadata[Self.key] ?? "unknown")), now "
                    + "\(fingerprint); take the folder away, or use another run folder")
        }
        return opened
    }

    /// The candidates at the learnt tokens of a sequence.
    func rows(_ index: Int) throws -> [Row] {
        let file = index / Self.ofAFile, opened = try opened(file)
        func count(_ index: Int) -> Int { sequences[index].isTrained.dropFirst().count { $0 } }
        let start = (range(file).lowerBound..<index).reduce(0) { $0 + count($1) }, own = count(index)
        let all = try opened.tensor("tokens"), logs = try opened.tensor("log_probabilities")
        guard all.shape.count == 2, all.shape == logs.shape, start + own <= all.shape[0] else {
            throw TrainingError(
                .data, "\(path(file)): tokens is \(all.shape), expected \(start + own) rows or more; take the file away"
            )
        }
        let top = all.shape[1]
        guard own > 0, top > 0 else { return Array(repeating: [], count: own) }
        let tokens: [Int32] = try all.slice(0, from: start, to: start + own).contiguous().toArray()
        let values: [Float] = try logs.slice(0, from: start, to: start + own).contiguous().exp().toArray()
        return (0..<own).map { row in
            (row * top..<(row + 1) * top).filter { tokens[$0] >= 0 }.map { (tokens[$0], values[$0]) }
        }
    }
}

/// A sequence with what a teacher finds likely at each of its learnt tokens.
struct TaughtSequence {
    var chat: EncodedChat
    var rows: [TeacherStore.Row]
}

/// A student that learns what a teacher behind a URL has said of the same tokens.
struct SoftLabels: Objective {
    let student: Decoder
    var divergence: DistillationLoss
    var hardWeight = 0.0

    func weight(of batch: [TaughtSequence]) -> Double { batch.reduce(0) { $0 + $1.chat.trainedWeight } }

    func tokenCount(of batch: [TaughtSequence]) -> Int { batch.reduce(0) { $0 + $1.chat.tokens.count - 1 } }

    func loss(of batch: [TaughtSequence], _ context: StepContext) throws -> ObjectiveLoss {
        let packed = PackedSequences(batch.map(\.chat))
        let hidden = try student.hiddenStates(packed.inputs, segments: packed.segments)  // [tokens, hidden]
        return try Distillation.loss(
            student, divergence, hardWeight: hardWeight, packed, hidden, context, weight: weight(of: batch),
            teacher: .top(batch.flatMap(\.rows)))
    }
}
