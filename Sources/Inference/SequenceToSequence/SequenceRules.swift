import MartletJSON
import MartletModels

/// What an encoder-decoder's files say of the texts it writes: how they begin and end, what is not repeated. Names and
/// meaning are those of transformers' `generation_config.json`.
public struct SequenceRules: Sendable, Equatable {
    /// The decoder's first token (`decoder_start_token_id`).
    public var start: Int32 = 0
    /// The first token that is written (`forced_bos_token_id`): in multilingual models the language.
    public var forcedFirst: Int32?
    /// What is written last where the length is used up (`forced_eos_token_id`).
    public var forcedLast: Int32?
    /// Tokens and sequences of tokens that are not written (`bad_words_ids`, `suppress_tokens`).
    public var banned: [[Int32]] = []
    /// n tokens that occurred are not written again in the same order (`no_repeat_ngram_size`); 0: no such rule.
    public var distinctLength = 0
    /// n tokens of the source that are not written in the same order (`encoder_no_repeat_ngram_size`, Blenderbot); 0: no such
    /// rule.
    public var sourceDistinctLength = 0
    /// The source, which a sequence is given for that rule.
    package var source: [Int32] = []
    /// Tokens before which no text ends (`min_length`, without the start).
    public var minimumTokens = 0
    /// The most tokens that are written (`max_length`, without the start).
    public var maximumTokens = 512
    /// How many beams the files recommend, and with which options.
    public var beams = BeamSearchOptions(width: 1)

    public init() {}

    /// Changes the logits or log-probabilities of the next token: what may not be written gets −∞.
    /// - Parameter maximum: the most tokens of the reply; nil for `maximumTokens`.
    package func apply(
        to row: UnsafeMutableBufferPointer<Float>, after tokens: [Int32], ends: Set<Int32>, of maximum: Int? = nil
    ) {
        let all = [start] + tokens
        banRepetitions(of: all, in: all, length: distinctLength, row)
        banRepetitions(of: all, in: source, length: sourceDistinctLength, row)
        for words in banned where all.suffix(words.count - 1).elementsEqual(words.dropLast()) {
            if let last = words.last { ban(last, row) }
        }
        if tokens.count < minimumTokens { for end in ends { ban(end, row) } }
        if tokens.isEmpty, let forcedFirst { force(forcedFirst, row) }
        if tokens.count == (maximum ?? maximumTokens) - 1, let forcedLast { force(forcedLast, row) }
    }

    /// Bans what `length` tokens of a text in the same order would end with.
    private func banRepetitions(
        of tokens: [Int32], in text: [Int32], length: Int, _ row: UnsafeMutableBufferPointer<Float>
    ) {
        guard length > 0, tokens.count + 1 >= length else { return }
        let last = tokens.suffix(length - 1)
        for first in 0..<max(text.count - length + 1, 0)
        where text[first..<first + length - 1].elementsEqual(last) {
            ban(text[first + length - 1], row)
        }
    }

    private func ban(_ token: Int32, _ row: UnsafeMutableBufferPointer<Float>) {
        if row.indices.contains(Int(token)) { row[Int(token)] = -.infinity }
    }

    private func force(_ token: Int32, _ row: UnsafeMutableBufferPointer<Float>) {
        guard row.indices.contains(Int(token)) else { return }
        for index in row.indices { row[index] = -.infinity }
        row[Int(token)] = 0
    }
}

extension SequenceRules {
    /// Of a model's folder: `generation_config.json`, and what older folders have in `config.json`.
    public init(_ files: ModelFiles) throws {
        let readers = [try files.generationConfiguration(), files.checkpoint.configuration].compactMap { $0 }
        let range = 0...(1 << 24)
        func integer(_ key: String) throws -> Int? {
            for reader in readers {
                // A list of one is a number.
                if let list = reader.json[key]?.array, list.count == 1, let only = list[0].integer { return only }
                if let value = try reader.optionalInteger(key, in: range) { return value }
            }
            return nil
        }
        func token(_ key: String) throws -> Int32? { try integer(key).map { Int32($0) } }
        guard let start = try token("decoder_start_token_id") ?? token("bos_token_id") else {
            throw ModelError.missingKey(
                file: readers[readers.count - 1].file, key: "decoder_start_token_id",
                expected: "the decoder's first token")
        }
        self.start = start
        forcedFirst = try token("forced_bos_token_id")
        forcedLast = try token("forced_eos_token_id")
        distinctLength = try integer("no_repeat_ngram_size") ?? 0
        sourceDistinctLength = try integer("encoder_no_repeat_ngram_size") ?? 0
        minimumTokens = max((try integer("min_length") ?? 0) - 1, 0)
        if let most = try integer("max_length"), most > 1 { maximumTokens = most - 1 }
        for reader in readers {
            for words in reader.json["bad_words_ids"]?.array ?? [] {
                let tokens = (words.array ?? []).compactMap { $0.integer.flatMap(Int32.init(exactly:)) }
                if !tokens.isEmpty, !banned.contains(tokens) { banned.append(tokens) }
            }
            for token in reader.json["suppress_tokens"]?.array ?? [] {
                if let id = token.integer.flatMap(Int32.init(exactly:)) { banned.append([id]) }
            }
        }
        beams.width = min(max(try integer("num_beams") ?? 1, 1), 256)
        for reader in readers.reversed() {
            if let penalty = try reader.optionalNumber("length_penalty") { beams.lengthPenalty = penalty }
            switch reader.json["early_stopping"] {
            case .bool(true)?: beams.stopping = .whenFull
            case .bool(false)?: beams.stopping = .whenUnlikely
            case .string("never")?: beams.stopping = .whenImpossible
            default: break
            }
        }
    }
}
