/// Converts text to token ids and back: normaliser, added tokens, pre-tokenizer, model (BPE, Unigram, WordPiece),
/// template, decoder.
///
/// ```swift
/// let tokenizer = try Tokenizer(folder: "SmolLM2-135M-Instruct")
/// let ids = try tokenizer.encode("Hello, world")
/// print(try tokenizer.decode(ids))          // Hello, world
/// ```
///
/// Created with `init(folder:)`, `init(json:configuration:)`, `init(sentencePiece:)`, `init(tiktoken:…)`,
/// `init(vocabulary:merges:)` or `init(gguf:)`. Immutable; can be used from any thread.
public final class Tokenizer: Sendable {
    let normalizer: (any Normalizer)?
    let stages: PieceStages
    let model: any TokenizerModel
    let template: SequenceTemplate
    package let decoderSteps: [DecoderStep]
    /// Matchers for added tokens in the raw text, and in the normalised text.
    let rawMatcher: AddedTokenMatcher
    let normalizedMatcher: AddedTokenMatcher
    /// Spellings of added tokens; normalised for tokens that are matched in normalised text.
    private let addedSpellings: [Int32: [UInt8]]
    /// The range of added ids: most ids are outside and need no lookup.
    private let addedIDs: Range<Int32>
    private let addedByContent: [[UInt8]: Int32]
    /// Whether the model encodes any bytes, so that invalid UTF-8 can be encoded unchanged.
    let takesAnyBytes: Bool
    private let spellsBytesInAlphabet: Bool
    /// Whether a special token is only matched after normalisation.
    let hasNormalizedSpecials: Bool
    /// The pre-tokenizer and the model of a byte-level BPE, if nothing else is between text and ids.
    let plainPath: (cutter: WordCutter, pairs: BytePairs)?
    let scratches = EncodingScratchPool()

    /// Details of the tokenizer's files beyond splitting and encoding.
    public struct Details: Sendable, Equatable {
        public var bosToken: Int32?
        /// Stop tokens: they end a reply.
        public var eosTokens: Set<Int32> = []
        public var padToken: Int32?
        public var unknownToken: Int32?
        public var separatorToken: Int32?
        public var classToken: Int32?
        public var maskToken: Int32?
        /// Jinja sources of chat templates by name; the usual one is "default".
        public var chatTemplates: [String: String] = [:]
        /// "BPE", "Unigram", "WordPiece" or "WordLevel".
        public var kind = ""

        public init() {}
    }

    public let details: Details
    public let addedTokens: [AddedToken]
    /// Ids of the special tokens.
    public let specialTokens: Set<Int32>
    /// One more than the largest id.
    public let vocabularySize: Int

    /// The components of a tokenizer.
    package struct Parts {
        package var normalizer: (any Normalizer)?
        package var stages = PieceStages()
        package var model: any TokenizerModel
        package var template = SequenceTemplate.bare
        package var decoderSteps: [DecoderStep] = []
        package var addedTokens: [AddedToken] = []
        /// Whether tokens are bytes that files (and people) spell in GPT-2's byte alphabet.
        package var spellsBytesInAlphabet = false
        /// Whether the model encodes any bytes, valid UTF-8 or not.
        package var takesAnyBytes = false
        /// Whether the content of added tokens is already normalised.
        package var normalizedContentIsGiven = false
        package var details = Details()

        package init(model: any TokenizerModel) { self.model = model }
    }

    package init(_ parts: Parts) {
        normalizer = parts.normalizer
        stages = parts.stages
        model = parts.model
        template = parts.template
        decoderSteps = parts.decoderSteps
        spellsBytesInAlphabet = parts.spellsBytesInAlphabet
        takesAnyBytes = parts.takesAnyBytes && parts.normalizer == nil
        details = parts.details
        addedTokens = parts.addedTokens
        let added = addedTokens.map(\.id)
        addedIDs = (added.min() ?? 0)..<((added.max() ?? -1) + 1)
        specialTokens = Set(parts.addedTokens.lazy.filter(\.isSpecial).map(\.id))
        let normalizer = parts.normalizer
        let spellings = parts.addedTokens.map { token -> [UInt8] in
            let content = Array(token.content.utf8)
            guard let normalizer, token.isNormalized, !parts.normalizedContentIsGiven else { return content }
            return normalizer.normalize(content)
        }
        addedSpellings = Dictionary(zip(addedTokens.map(\.id), spellings)) { first, _ in first }
        // By both spellings, the given one first.
        let names = parts.addedTokens.map { (Array($0.content.utf8), $0.id) } + zip(spellings, addedTokens.map(\.id))
        addedByContent = Dictionary(names) { first, _ in first }
        let isRaw = addedTokens.map { normalizer == nil || !$0.isNormalized }
        rawMatcher = AddedTokenMatcher(
            zip(addedTokens, spellings).enumerated().filter { isRaw[$0.offset] }.map(\.element))
        normalizedMatcher = AddedTokenMatcher(
            zip(addedTokens, spellings).enumerated().filter { !isRaw[$0.offset] }.map(\.element))
        if parts.stages.steps.count == 1, case .cut(let cutter as WordCutter) = parts.stages.steps[0],
            let pairs = parts.model as? BytePairs
        {
            plainPath = (cutter, pairs)
        } else {
            plainPath = nil
        }
        hasNormalizedSpecials = normalizer != nil && addedTokens.contains { $0.isMarker && $0.isNormalized }
        vocabularySize = max(parts.model.vocabularySize, (addedTokens.map { Int($0.id) + 1 }).max() ?? 0)
    }

    public var bosToken: Int32? { details.bosToken }
    public var eosTokens: Set<Int32> { details.eosTokens }
    public var padToken: Int32? { details.padToken }
    public var unknownToken: Int32? { details.unknownToken }
    public var chatTemplates: [String: String] { details.chatTemplates }
    public var chatTemplate: String? { details.chatTemplates["default"] }

    /// Whether `encode` starts every text with the beginning-of-sequence token.
    public var addsBOS: Bool {
        guard let bosToken, case .token(let id, _)? = template.single.first else { return false }
        return id == bosToken
    }

    /// Whether `encode` ends every text with an end-of-sequence token.
    public var addsEOS: Bool {
        guard case .token(let id, _)? = template.single.last else { return false }
        return eosTokens.contains(id)
    }

    /// The id of a token in the vocabulary's spelling ("Ġthe", "▁the", "##ing", "<|im_end|>").
    public func id(of token: String) -> Int32? {
        let bytes = Array(token.utf8)
        return addedByContent[bytes] ?? modelID(of: bytes)
    }

    /// A token in the vocabulary's spelling.
    public func token(_ id: Int32) -> String? {
        (addedSpellings[id] ?? modelSpelling(of: id)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The bytes of text of a token, independent of its neighbours. Nil for an id outside the vocabulary.
    public func bytes(of id: Int32) -> [UInt8]? {
        (addedSpellings[id] ?? model.token(id)).map { token in decoderSteps.reduce(token) { $1.bytes(of: $0) } }
    }

    /// The token in the decoder's spelling. Models may have more ids than their vocabulary has tokens, because weights
    /// are padded to a round number; those ids have an empty spelling.
    func spelling(of id: Int32) throws(TokenizerError) -> [UInt8] {
        if let added = addedSpellings[id] { return added }
        if let token = model.token(id) { return token }
        guard id >= 0 else { throw .unknownID(id, vocabularySize: vocabularySize) }
        return []
    }

    /// Appends the token in the decoder's spelling.
    func append(_ id: Int32, to bytes: inout [UInt8]) throws(TokenizerError) {
        if addedIDs.contains(id), let added = addedSpellings[id] {
            bytes += added
        } else if !model.append(id, to: &bytes), id < 0 {
            throw .unknownID(id, vocabularySize: vocabularySize)
        }
    }

    func hasToken(_ id: Int32) -> Bool { addedSpellings[id] != nil || model.token(id) != nil }

    func isSpecial(_ id: Int32) -> Bool { addedIDs.contains(id) && specialTokens.contains(id) }

    private func modelID(of token: [UInt8]) -> Int32? {
        guard spellsBytesInAlphabet else { return model.id(of: token) }
        return ByteAlphabet.bytes(spelledBy: token).flatMap { model.id(of: $0) }
    }

    private func modelSpelling(of id: Int32) -> [UInt8]? {
        guard let token = model.token(id) else { return nil }
        return spellsBytesInAlphabet ? ByteAlphabet.spelling(of: token) : token
    }

}
