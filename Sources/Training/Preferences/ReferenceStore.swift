import MartletFormats
import MartletModels
import MartletNN
import MartletTensor

/// The reference's log-probabilities of every row, computed once and stored in a file, so that training needs only the
/// policy: no second model and no second pass.
///
/// The file is safetensors: `scores`, `[rows, 2]` (chosen and rejected; for judged replies, the reply and another
/// prompt's reply), and in its metadata what it was computed from.
struct ReferenceStore {
    let path: String
    /// A hash of the data, the way log-probabilities are summed, and the reference.
    let fingerprint: String
    static let key = "martlet.reference"
    /// Tokens per pass.
    private static let tokensAtOnce = 4096

    /// - Throws: `TrainingError` if the file was computed from something else.
    func read(rows: Int) throws -> [(Double, Double)]? {
        guard Folder.isFile(path) else { return nil }
        let file = try SafetensorsFile(path: path)
        guard let found = file.metadata[Self.key] else {
            throw TrainingError(.data, "\(path) holds no log-probabilities of a reference")
        }
        guard found == fingerprint else {
            throw TrainingError(
                .data, "\(path) was computed from other rows or another reference (\(found)), now \(fingerprint)")
        }
        let scores: [Double] = try file.tensor("scores").to(.float64).toArray()
        guard scores.count == 2 * rows, scores.allSatisfy(\.isFinite) else {
            throw TrainingError(.data, "\(path) holds \(scores.count / 2) rows, expected \(rows)")
        }
        return (0..<rows).map { (scores[2 * $0], scores[2 * $0 + 1]) }
    }

    func write(_ scores: [(Double, Double)]) throws {
        let values = scores.flatMap { [Float($0.0), Float($0.1)] }
        try SafetensorsWriter.write(
            [("scores", Tensor(values, shape: [scores.count, 2]))], metadata: [Self.key: fingerprint], to: path)
    }

    /// Computes a decoder's log-probabilities of all rows.
    /// - Parameters:
    ///   - loss: of pairs; it says how log-probabilities are summed.
    ///   - progress: receives the number of finished rows; returning false stops.
    /// - Throws: `CancellationError` if `progress` returned false.
    static func scores(
        of data: FeedbackData, loss: (any PreferenceLoss)?, _ decoder: Decoder, progress: (Int) -> Bool
    ) throws -> [(Double, Double)] {
        var scores: [(Double, Double)] = [], start = 0
        func size(_ index: Int) -> Int {
            data.kind == .pairs
                ? data.pairs[index].tokenCount
                : data.judged[index].sequence.tokens.count + data.mismatched[index].sequence.tokens.count
        }
        while start < data.count {
            guard progress(start) else { throw CancellationError() }
            var end = start + 1, tokens = size(start)
            while end < data.count, tokens + size(end) <= tokensAtOnce {
                tokens += size(end)
                end += 1
            }
            if let loss, data.kind == .pairs {
                let sides = try ReferenceScores.sides(of: Array(data.pairs[start..<end]), loss: loss, decoder)
                scores += sides.map { ($0.chosen, $0.rejected) }
            } else {
                let own = data.judged[start..<end].map(\.sequence), other = data.mismatched[start..<end].map(\.sequence)
                let sums = try ReferenceScores.sums(of: own + other, decoder)
                scores += (0..<own.count).map { (sums[$0], sums[own.count + $0]) }
            }
            start = end
        }
        // Rounded as in the file, so that a resumed run has the same bits.
        return scores.map { (Double(Float($0.0)), Double(Float($0.1))) }
    }
}

extension StartingModel {
    /// The model itself, without what an adapter changes of it: the reference of a policy that is an adapter.
    func withoutAdapter<Result>(_ body: () throws -> Result) rethrows -> Result {
        guard let adapter else { return try body() }
        return try adapter.disabled(body)
    }
}
