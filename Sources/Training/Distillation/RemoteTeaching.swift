import MartletChat
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What a run learns of a teacher behind a URL.
struct RemoteTeaching {
    let teacher: RemoteTeacher
    let store: TeacherStore
    let objective: SoftLabels

    /// Replies that the student has just written, and what the teacher says of them.
    func taught(_ sequences: [EncodedChat], _ tokenizer: Tokenizer) throws -> [TaughtSequence] {
        let found = try teacher.likeliest(sequences.map(\.tokens), tokenizer)
        return zip(sequences, found).map { sequence, candidates in
            TaughtSequence(
                chat: sequence,
                rows: sequence.tokens.indices.dropFirst().filter { sequence.isTrained[$0] }.map { place in
                    candidates[place - 1].map { ($0.token, exp($0.logProbability)) }
                })
        }
    }
}

extension Trainer {
    /// A student that learns from a teacher behind a URL: what it says of the tokens of the texts (`level: token`), for which
    /// both have one vocabulary, or what it writes to their prompts (`level: sequence`), whatever its vocabulary.
    ///
    /// What it said is kept in the run's folder; a run that goes on asks for what is missing alone. Of replies that the
    /// student writes itself (`on_policy`) it is asked at every step.
    /// - Parameters:
    ///   - options: of `RunCommand.distillation`.
    ///   - progress: texts or prompts done, and all; false ends that.
    /// - Throws: `TeacherError`; `TrainingError` where something does not fit; `CancellationError`.
    public convenience init(
        run: String, options: TrainingOptions, student model: StartingModel, remote teacher: RemoteTeacher,
        data given: DistillationData, memory: Int? = MachineMemory().total,
        progress: (Int, Int) -> Bool = { _, _ in true }
    ) throws {
        var data = given
        let first = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration)
        let what = first.distillation, isWritten = what.level == .sequence
        guard isWritten || what.weight < 1 else {
            throw TrainingError(
                .configuration,
                "divergence 1 is the reverse KL, which needs the teacher's whole distribution: a server tells its most "
                    + "likely tokens; take a divergence below 1")
        }
        let name = "\(teacher.connection.url) \(teacher.name)"
        if isWritten {
            try data.write(by: teacher, model, first.run, folder: run, progress: progress)
        }
        guard data.trainingCount > 0 || !isWritten && what.onPolicy > 0 && !data.trainingPrompts.isEmpty else {
            throw TrainingError(
                .data,
                "there are prompts and no replies: on_policy above 0 lets the student write them, level sequence the "
                    + "teacher")
        }
        let count = max(data.trainingCount, what.onPolicy > 0 ? data.trainingPrompts.count : 0)
        let resolved = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration,
            rowsPerEpoch: { _, _ in count })
        let cost = TrainingCost(model.decoder.configuration, length: resolved.rows.length)
        try TrainingCost.demand(
            resolved.memory(cost, adapter: model.files.adapter?.sizes), within: memory, for: "distillation")
        var loss = DistillationLoss(weight: what.weight, temperature: what.temperature)
        loss.squaresTemperature = true
        loss.teacherTop = teacher.top
        var teaching: RemoteTeaching?
        if !isWritten {
            let store = TeacherStore(
                folder: run + "/teacher", fingerprint: "\(data.fingerprint); \(name), \(teacher.top) candidates",
                sequences: data.sequences)
            try store.fill(teacher, model.tokenizer, progress: progress)
            teaching = RemoteTeaching(
                teacher: teacher, store: store,
                objective: SoftLabels(student: model.decoder, divergence: loss, hardWeight: what.hardWeight))
        }
        try resolved.recompute(model.decoder)
        try self.init(
            run, resolved, model.decoder, cost, resolved.stepLoop(model.parameters),
            DistillationSource(data, model, teacher: name, nil, resolved.run, remote: teaching))
    }
}

extension DistillationData {
    /// Replies that a teacher behind a URL writes to the prompts, through the student's template: kept line by line, so that
    /// a run that goes on asks for the rest.
    mutating func write(
        by teacher: RemoteTeacher, _ model: StartingModel, _ run: RunOptions, folder: String,
        progress: (Int, Int) -> Bool
    ) throws {
        guard !conversations.isEmpty else {
            throw TrainingError(
                .data, "level sequence needs prompts that the teacher replies to; these are texts alone")
        }
        let options = run.distillation
        try makeFolder(folder)
        let file = try AppendedLines(
            folder + "/teacher.jsonl",
            head: [
                "texts": .string(fingerprint), "teacher": .string("\(teacher.connection.url) \(teacher.name)"),
                "maximum_tokens": .integer(Int64(options.maximumTokens)),
                "temperature": .number(options.drawTemperature),
            ])
        let seed = run.general.randomSeed &* 0x9E37_79B9_7F4A_7C15
        while file.lines.count < conversations.count {
            let start = file.lines.count
            guard progress(start, conversations.count) else { throw CancellationError() }
            let part = Array(conversations[start..<min(start + 16, conversations.count)])
            let replies = try teacher.replies(
                part, maximumTokens: options.maximumTokens, temperature: options.drawTemperature,
                seed: seed &+ UInt64(start))
            for (messages, reply) in zip(part, replies) {
                try file.append(
                    [
                        "messages": .array(messages.map(\.json)), "reply": .string(reply.text),
                        "finished": .bool(reply.isFinished),
                    ])
            }
        }
        var encoder = try model.chatEncoder()
        encoder.largestSequence = run.rows.length
        var written: [EncodedChat] = [], notes: [(CorpusTally.Kind, String)] = []
        for (index, line) in file.lines.prefix(conversations.count).enumerated() {
            let place = "\(file.path): line \(index + 2)"
            guard let text = line["reply"]?.string, text.contains(where: { !$0.isWhitespace }) else {
                notes.append((.emptyReply, place))
                continue
            }
            let reply = ChatMessage(role: "assistant", content: text), isCut = line["finished"]?.bool == false
            let encoded = try encoder.encode(conversations[index] + [reply])
            for note in encoded.notes { notes.append((note, place)) }
            written += encoded.sequences.map { isCut ? $0.withoutEnd(model.tokenizer.eosTokens) : $0 }
        }
        replace(withSequences: written, heldOut: run.chat.validation, notes)
    }
}

extension EncodedChat {
    /// Of a reply that was cut its end is not learnt: it had none.
    func withoutEnd(_ ends: Set<Int32>) -> EncodedChat {
        var result = self
        if let last = isTrained.lastIndex(of: true), ends.contains(tokens[last]) {
            result.isTrained[last] = false
            result.weights?[last] = 0
        }
        return result
    }
}
