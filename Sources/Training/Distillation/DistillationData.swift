import MartletChat
import MartletData
import MartletFormats
import MartletJSON
import MartletTokenizers

/// Texts, conversations and prompts that a student is taught on, as tokens.
public struct DistillationData {
    /// Of conversations the replies are learnt, of texts everything.
    public internal(set) var sequences: [EncodedChat] = []
    /// What is asked, where the student or the teacher writes the reply itself.
    public private(set) var prompts: [[Int32]] = []
    /// Those whose replies are not held out: what a student writes to and learns from.
    public private(set) var trainingPrompts: [[Int32]] = []
    /// The same as messages, for a teacher with a template of its own.
    private(set) var conversations: [[ChatMessage]] = []
    /// The last so many sequences are held out.
    public internal(set) var heldOutCount = 0
    public private(set) var tally = CorpusTally()
    public private(set) var notes: [String] = []
    public internal(set) var fingerprint = ""

    public var trainingCount: Int { sequences.count - heldOutCount }
    public var tokenCount: Int { sequences.prefix(trainingCount).reduce(0) { $0 + $1.tokens.count - 1 } }

    /// - Parameters:
    ///   - longest: tokens of a sequence at most; longer texts are cut into several, longer conversations left out.
    ///   - heldOut: share, from 1 on how many; 0.1 where left out.
    /// - Throws: `DataError` naming file and record; `TrainingError` where nothing is left.
    public init(
        _ paths: [String], options: CorpusOptions, tokenizer: Tokenizer, encoder: ChatEncoder?, longest: Int,
        heldOut: Double? = nil, onBadRecord: @escaping (DataError) -> Void = { _ in }
    ) throws {
        var options = options
        options.keepsPrompts = true
        let corpus = try Corpus(paths, options: options)
        corpus.onBadRecord = onBadRecord
        let plain = DocumentEncoder(tokenizer: tokenizer, separator: tokenizer.documentEnd)
        // The prompt of each sequence that is a reply to one.
        var asked: [Int?] = []
        while let document = try corpus.nextDocument() {
            do {
                if case .chat(let messages, let tools) = document.content {
                    guard let encoder else {
                        throw TrainingError(.data, "is a conversation, and the student has no chat template")
                    }
                    let before = prompts.count
                    try take(messages, tools, encoder, longest: longest, at: document.origin)
                    let prompt = prompts.count > before ? before : nil
                    asked += [Int?](repeating: prompt, count: sequences.count - asked.count)
                } else {
                    for encoded in try plain.encode(document).sequences { take(encoded, longest: longest) }
                    asked += [Int?](repeating: nil, count: sequences.count - asked.count)
                }
            } catch let error as DataError {
                try corpus.passOver(error)
            } catch {
                try corpus.passOver(DataError(.malformed, path: document.path, place: document.place, "\(error)"))
            }
        }
        tally.add(corpus.tally)
        notes = corpus.notes
        let count = sequences.count
        heldOutCount = Self.heldOut(heldOut, of: count)
        // Neighbours are alike: what is held out is drawn.
        let order = KeyedPermutation(count: max(1, count), key: 0x9E37)
        if count > 0 { sequences = (0..<count).map { sequences[order($0)] } }
        let held = Set((count - heldOutCount..<count).compactMap { asked[order($0)] })
        trainingPrompts = prompts.indices.filter { !held.contains($0) }.map { prompts[$0] }
        guard count > 0 || !prompts.isEmpty else {
            throw TrainingError(.data, "\(paths.joined(separator: ", ")): nothing is left to learn from")
        }
        setFingerprint()
    }

    private mutating func take(
        _ messages: [ChatMessage], _ tools: [JSON]?, _ encoder: ChatEncoder, longest: Int, at origin: String
    ) throws {
        let last = messages.last?.role == "assistant"
        let asked = last ? Array(messages.dropLast()) : messages
        if !asked.isEmpty {
            let plain = asked.map { message in
                var plain = message
                plain["weight"] = nil
                plain["train_detail"] = nil
                return plain
            }
            let prompt = try encoder.prompt(plain, tools: tools)
            if prompt.count < longest {
                prompts.append(prompt)
                conversations.append(plain)
            }
        }
        guard last else { return }
        var encoder = encoder
        encoder.largestSequence = longest
        let encoded = try encoder.encode(messages, tools: tools)
        sequences += encoded.sequences.filter { $0.trainedCount > 0 }
        for note in encoded.notes { tally.add(note, at: origin) }
    }

    private mutating func take(_ encoded: EncodedDocument, longest: Int) {
        let isTrained = encoded.isTrained ?? encoded.tokens.map { _ in true }
        var start = 0
        while start + 1 < encoded.tokens.count {
            let end = min(start + longest, encoded.tokens.count)
            let chat = EncodedChat(
                tokens: Array(encoded.tokens[start..<end]), isTrained: Array(isTrained[start..<end]),
                weights: encoded.weights.map { Array($0[start..<end]) })
            if chat.isTrained.dropFirst().contains(true) { sequences.append(chat) }
            // The last token of a piece is what the next one begins with.
            start = end == encoded.tokens.count ? end : end - 1
        }
    }

    mutating func setFingerprint() {
        var hash = HashXX64()
        for sequence in sequences {
            sequence.tokens.withUnsafeBytes { hash.update($0) }
            sequence.isTrained.withUnsafeBytes { hash.update($0) }
            sequence.weights?.withUnsafeBytes { hash.update($0) }
        }
        for prompt in prompts { prompt.withUnsafeBytes { hash.update($0) } }
        fingerprint =
            "\(sequences.count) sequences, \(prompts.count) prompts, \(heldOutCount) held out, XXH64 "
            + String(hash.value, radix: 16)
    }

    private static func heldOut(_ given: Double?, of count: Int) -> Int {
        let share = DocumentSplit.share(given ?? 0.1, of: count)
        return count > 1 ? min(count - 1, Int((share * Double(count)).rounded())) : 0
    }

    /// What a teacher wrote, as sequences, in place of what was there.
    mutating func replace(
        withSequences all: [EncodedChat], heldOut: Double?, _ notes: [(kind: CorpusTally.Kind, place: String)]
    ) {
        sequences = all.filter { $0.isTrained.dropFirst().contains(true) }
        for note in notes { tally.add(note.kind, at: note.place) }
        let count = sequences.count
        heldOutCount = Self.heldOut(heldOut, of: count)
        setFingerprint()
    }

    /// What a teacher wrote to the prompts, in place of what was there.
    mutating func replace(with replies: [Rollout], heldOut: Double?) {
        sequences = replies.filter { !$0.reply.isEmpty }.map { EncodedChat($0) }
        let count = sequences.count
        heldOutCount = Self.heldOut(heldOut, of: count)
        setFingerprint()
    }
}
