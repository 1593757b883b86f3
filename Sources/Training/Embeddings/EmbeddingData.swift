import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletSystem

/// Pairs and triplets of texts as tokens: what an embedding model learns from, some of it held out.
///
/// ```swift
/// let model = try StartingEmbedder(path: "all-MiniLM-L6-v2", options: options)
/// let data = try EmbeddingData(options, model)
/// print(data.notes, data.trainingCount)
/// ```
public struct EmbeddingData {
    /// A text that is to be near another, and texts that are not.
    struct Row: Sendable, Equatable {
        var anchor, positive: [Int32]
        var negatives: [[Int32]] = []
        /// How alike both are.
        var score: Double?
        /// The number of each of `texts` among all different texts, whatever prompt it has here.
        var identities: [Int] = []

        var texts: [[Int32]] { [anchor, positive] + negatives }
        var tokenCount: Int { texts.reduce(0) { $0 + $1.count } }
    }

    /// What is learnt, then what is held out.
    let rows: [Row]
    public let heldOutCount: Int
    public var count: Int { rows.count }
    public var trainingCount: Int { rows.count - heldOutCount }
    /// Tokens that an epoch reads.
    public var tokenCount: Int { rows.prefix(trainingCount).reduce(0) { $0 + $1.tokenCount } }
    /// Texts that were cut to the length.
    public let cutCount: Int
    /// What was left out.
    public let tally: CorpusTally
    /// How the records were understood, a sentence each.
    public let notes: [String]
    public let fingerprint: String
    /// Tokens at the beginning of anchors and positives that are a prompt.
    let prompts: (anchor: Int, positive: Int)
    /// The loss by the options, or as the rows suggest.
    let kind: EmbeddingLoss.Kind
    /// The tokens of nineteen texts of twenty are no more.
    let usualLength: Int
    let hasScores: Bool

    /// - Parameter onBadRecord: hears of each record that is passed over, where the policy is to report.
    /// - Throws: `DataError` naming file and record; `TrainingError` where nothing is left.
    public init(
        _ options: TrainingOptions, _ model: StartingEmbedder, onBadRecord: @escaping (DataError) -> Void = { _ in }
    ) throws {
        let resolved = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.planned)
        let chosen = resolved.embedding, sentences = model.sentences
        let anchorPrompt = try chosen.anchorPrompt ?? sentences.prompt(named: nil)
        let positivePrompt = try chosen.positivePrompt ?? sentences.prompt(named: nil)
        prompts = (
            try sentences.prefix(anchorPrompt ?? "").count, try sentences.prefix(positivePrompt ?? "").count
        )
        var cut = 0
        func tokens(_ text: String, _ prompt: String?) throws -> [Int32] {
            let all = try sentences.tokens(text, prompt: prompt)
            let kept = sentences.truncated(all, to: resolved.rows.length)
            if kept.count < all.count { cut += 1 }
            return kept
        }
        // A text is the same with whatever prompt, so it is known by its tokens without one where there are two prompts;
        // those of a text that has none are there already.
        let hasOnePrompt = anchorPrompt ?? "" == positivePrompt ?? ""
        var known: [[Int32]: Int] = [:]
        func identity(_ text: String, _ tokens: [Int32], _ prompt: String?) throws -> Int {
            let own =
                try hasOnePrompt || prompt ?? "" == ""
                ? tokens : sentences.truncated(sentences.tokens(text, prompt: nil), to: resolved.rows.length)
            let number = known[own] ?? known.count
            known[own] = number
            return number
        }
        let shape = try PairShape(resolved.chat.map)
        let records = try PlacedRecords(resolved.chat, onBadRecord: onBadRecord)
        var found: [(row: Row, anchor: String)] = [], reading: PairShape.Reading?, left = CorpusTally()
        try records.forEach { (record) throws(DataError) in
            let read = try shape.read(record)
            if reading == nil { reading = read.reading }
            let wasFound = found.count, wasCut = cut, wasLeft = left
            do {
                for text in read.rows {
                    var row = Row(
                        anchor: try tokens(text.anchor, anchorPrompt),
                        positive: try tokens(text.positive, positivePrompt),
                        negatives: try text.negatives.map { try tokens($0, positivePrompt) }, score: text.score)
                    guard row.texts.allSatisfy({ !$0.isEmpty }) else {
                        throw record.fail(nil, "has a text without tokens")
                    }
                    let given = [text.anchor, text.positive] + text.negatives
                    row.identities = try given.indices.map {
                        try identity(given[$0], row.texts[$0], $0 == 0 ? anchorPrompt : positivePrompt)
                    }
                    guard row.identities[0] != row.identities[1] || row.score != nil else {
                        left.add(.equalPair, at: record.origin)
                        continue
                    }
                    found.append((row, text.anchor))
                }
            } catch {
                // A record is learnt whole or not at all.
                found.removeSubrange(wasFound...)
                (cut, left) = (wasCut, wasLeft)
                throw error as? DataError ?? record.fail(nil, "\(error)")
            }
        }
        left.add(records.corpus.tally)
        guard let reading else {
            throw TrainingError.nothingLeft(of: resolved.chat.data, left, wanted: PairShape.wanted)
        }
        let held = HeldOutTexts(
            found.map(\.anchor), share: DocumentSplit.share(resolved.chat.validation ?? 0.1, of: found.count))
        rows = held.order.map { found[$0].row }
        heldOutCount = held.count
        cutCount = cut
        tally = left
        hasScores = rows.allSatisfy { $0.score != nil }
        kind = try Self.kind(chosen.kind, rows, reading)
        let lengths = rows.flatMap { $0.texts.map(\.count) }.sorted()
        usualLength = lengths.isEmpty ? 0 : lengths[min(lengths.count - 1, lengths.count * 19 / 20)]
        let negatives = rows.reduce(0) { $0 + $1.negatives.count }
        notes =
            records.corpus.notes + [
                "a row: \(reading.told)",
                "\(rows.count) rows" + (negatives > 0 ? ", \(negatives) negatives given" : "")
                    + (hasScores ? ", each with a score" : "") + "; the loss is \(kind.rawValue)"
                    + (chosen.kind == nil ? ", as the rows suggest" : ""),
            ]
            + (cut > 0 ? ["\(cut) texts are cut to \(min(resolved.rows.length, sentences.contextLength)) tokens"] : [])
        guard heldOutCount < rows.count else {
            throw TrainingError.nothingLeft(of: resolved.chat.data, left, wanted: PairShape.wanted)
        }
        var hash = HashXX64()
        for row in rows {
            for text in row.texts {
                text.withUnsafeBytes { hash.update($0) }
                withUnsafeBytes(of: Int64(text.count)) { hash.update($0) }
            }
            withUnsafeBytes(of: (row.score ?? -1)) { hash.update($0) }
        }
        fingerprint = "\(rows.count) rows, \(heldOutCount) held out, XXH64 \(String(hash.value, radix: 16))"
    }

    private static func kind(
        _ given: EmbeddingLoss.Kind?, _ rows: [Row], _ reading: PairShape.Reading
    ) throws(TrainingError) -> EmbeddingLoss.Kind {
        let scored = rows.allSatisfy { $0.score != nil }
        let kind = given ?? (scored ? .cosent : .infonce)
        switch kind {
        case .infonce:
            guard !rows.contains(where: { $0.score != nil }) else {
                throw TrainingError(
                    .data,
                    "loss infonce takes pairs that belong together, and these have scores (\(reading.told)): take cosent or "
                        + "cosine, or leave the column out with map")
            }
        case .triplet:
            guard rows.allSatisfy({ !$0.negatives.isEmpty }) else {
                throw TrainingError(
                    .data, "loss triplet needs a negative in each row (\(reading.told)); name its column with map")
            }
            guard !rows.contains(where: { $0.score != nil }) else {
                throw TrainingError(
                    .data,
                    "loss triplet reads no scores, and these rows have some (\(reading.told)): leave the column out with map"
                )
            }
        case .cosine, .cosent:
            guard scored else {
                throw TrainingError(
                    .data, "loss \(kind.rawValue) needs a score in each row (\(reading.told)); name its column with map"
                )
            }
            guard rows.allSatisfy(\.negatives.isEmpty) else {
                throw TrainingError(
                    .data,
                    "loss \(kind.rawValue) reads no negatives, and these rows have some (\(reading.told)): leave their columns "
                        + "out with map")
            }
            if kind == .cosine, let bad = rows.first(where: { !(-1...1).contains($0.score ?? 0) }) {
                throw TrainingError(
                    .data,
                    "loss cosine compares cosines with scores, which are from -1 to 1, and there is \(bad.score ?? 0): divide "
                        + "them by the largest, or take cosent, which only compares scores with each other")
            }
        }
        return kind
    }
}
