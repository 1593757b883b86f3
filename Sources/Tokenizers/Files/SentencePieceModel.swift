/// A sentencepiece `.model`: the protocol buffer `ModelProto`.
struct SentencePieceModel {
    enum Kind: UInt64 {
        case normal = 1
        case unknown, control, userDefined, unused, byte
    }

    var tokens: [[UInt8]?] = []
    var scores: [Float] = []
    var kinds: [Kind] = []
    /// `trainer_spec.model_type`: 1 unigram, 2 BPE, 3 word, 4 character.
    var modelType: UInt64 = 1
    var fallsBackToBytes = false
    var treatsSpaceAsSuffix = false
    var unknownID: Int32 = 0
    var bosID: Int32 = 1
    var eosID: Int32 = 2
    var padID: Int32 = -1
    var unknownSurface = " \u{2047} "
    var charsMap: [UInt8] = []
    var addsDummyPrefix = true
    var removesExtraWhitespaces = true
    var escapesWhitespaces = true
    private let file: String

    init(_ bytes: [UInt8], file: String) throws(TokenizerError) {
        self.file = file
        guard !bytes.isEmpty else { throw .malformed(file: file, field: "the whole file", reason: "it is empty") }
        guard !Self.isText(bytes) else {
            throw .malformed(
                file: file, field: "the whole file",
                reason: "this is plain text, not a tokenizer; name a model, its folder or its tokenizer file, and give "
                    + "the text on standard input (martlet tokenize MODEL < \(file.shown(limit: 200))). Vocabularies "
                    + "in plain text must be named vocab.txt, vocab.json with merges.txt, or *.tiktoken")
        }
        var reader = ProtobufReader(bytes[...], file: file, field: "ModelProto")
        var missing: Set = ["trainer_spec", "normalizer_spec"]
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (1, .bytes(let piece)): try readPiece(piece)
            case (2, .bytes(let specification)):
                try readTrainer(specification)
                missing.remove("trainer_spec")
            case (3, .bytes(let specification)):
                try readNormalizer(specification)
                missing.remove("normalizer_spec")
            default: break
            }
        }
        // Both follow the pieces in the file; without them, texts would silently be tokenised differently.
        if !tokens.isEmpty, let field = missing.max() {
            throw .malformed(file: file, field: field, reason: "it is missing: the file seems to be cut short")
        }
        guard !tokens.isEmpty else {
            throw .malformed(file: file, field: "pieces", reason: "there are none; is it a sentencepiece model?")
        }
    }

    /// Whether the file begins with text. A list of pieces contains control bytes, the field numbers and lengths,
    /// between its letters.
    private static func isText(_ bytes: [UInt8]) -> Bool {
        let start = bytes.prefix(1024)
        let spaces: Set<UInt8> = [0x09, 0x0A, 0x0C, 0x0D]
        guard start.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || spaces.contains($0) }) else { return false }
        // The examined prefix may end inside a character.
        return (0...min(3, start.count)).contains { String(validating: start.dropLast($0), as: UTF8.self) != nil }
    }

    private mutating func readPiece(_ bytes: ArraySlice<UInt8>) throws(TokenizerError) {
        let field = "pieces[\(tokens.count)]"
        var piece: [UInt8] = []
        var score: Float = 0
        var kind = Kind.normal
        var reader = ProtobufReader(bytes, file: file, field: field)
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (1, .bytes(let text)): piece = Array(text)
            case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
            case (3, .varint(let raw)):
                guard let known = Kind(rawValue: raw) else {
                    throw .malformed(file: file, field: field, reason: "\(raw) is not a piece type")
                }
                kind = known
            default: break
            }
        }
        guard tokens.count < TokenList.largestID else {
            throw .malformed(file: file, field: field, reason: "more than \(TokenList.largestID) pieces")
        }
        guard score.isFinite else { throw .malformed(file: file, field: field, reason: "the score is \(score)") }
        tokens.append(piece)
        scores.append(score)
        kinds.append(kind)
    }

    private mutating func readTrainer(_ bytes: ArraySlice<UInt8>) throws(TokenizerError) {
        var reader = ProtobufReader(bytes, file: file, field: "trainer_spec")
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (3, .varint(let type)): modelType = type
            case (24, .varint(let flag)): treatsSpaceAsSuffix = flag != 0
            case (35, .varint(let flag)): fallsBackToBytes = flag != 0
            case (40, .varint(let id)): unknownID = Int32(truncatingIfNeeded: id)
            case (41, .varint(let id)): bosID = Int32(truncatingIfNeeded: id)
            case (42, .varint(let id)): eosID = Int32(truncatingIfNeeded: id)
            case (43, .varint(let id)): padID = Int32(truncatingIfNeeded: id)
            case (44, .bytes(let text)): unknownSurface = String(decoding: text, as: UTF8.self)
            default: break
            }
        }
    }

    private mutating func readNormalizer(_ bytes: ArraySlice<UInt8>) throws(TokenizerError) {
        var reader = ProtobufReader(bytes, file: file, field: "normalizer_spec")
        while let (number, value) = try reader.next() {
            switch (number, value) {
            case (2, .bytes(let map)): charsMap = Array(map)
            case (3, .varint(let flag)): addsDummyPrefix = flag != 0
            case (4, .varint(let flag)): removesExtraWhitespaces = flag != 0
            case (5, .varint(let flag)): escapesWhitespaces = flag != 0
            default: break
            }
        }
    }

    /// The id if it is that of a piece, else nil.
    func checked(_ id: Int32) -> Int32? { id >= 0 && Int(id) < tokens.count ? id : nil }
}

/// The fields of a protocol buffer, in order. Source: the Protocol Buffers encoding reference.
struct ProtobufReader {
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32(UInt32)
        case bytes(ArraySlice<UInt8>)
    }

    private var bytes: ArraySlice<UInt8>
    private let file: String
    private let field: String

    init(_ bytes: ArraySlice<UInt8>, file: String, field: String) {
        self.bytes = bytes
        self.file = file
        self.field = field
    }

    private func malformed(_ reason: String) -> TokenizerError {
        .malformed(
            file: file, field: field,
            reason: "\(reason) at byte \(bytes.startIndex): not a sentencepiece model, or a truncated one")
    }

    /// The number and the value of the next field; nil at the end.
    mutating func next() throws(TokenizerError) -> (Int, Value)? {
        guard !bytes.isEmpty else { return nil }
        let key = try varint()
        guard key >> 3 > 0, key >> 3 < 1 << 29 else {
            throw malformed("not a protocol buffer: field number \(key >> 3)")
        }
        let number = Int(key >> 3)
        switch key & 7 {
        case 0: return (number, .varint(try varint()))
        case 1: return (number, .fixed64(try fixed(8)))
        case 2:
            let length = try varint()
            guard length <= UInt64(bytes.count) else {
                throw malformed("a field has \(length) bytes, but \(bytes.count) are left")
            }
            let value = bytes.prefix(Int(length))
            bytes.removeFirst(Int(length))
            return (number, .bytes(value))
        case 5: return (number, .fixed32(UInt32(try fixed(4))))
        default: throw malformed("a field has the unknown wire type \(key & 7)")
        }
    }

    private mutating func varint() throws(TokenizerError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = bytes.popFirst() else { throw malformed("the file ends inside a number") }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw malformed("a number has more than ten bytes")
    }

    private mutating func fixed(_ count: Int) throws(TokenizerError) -> UInt64 {
        guard bytes.count >= count else { throw malformed("the file ends inside a number") }
        defer { bytes.removeFirst(count) }
        return bytes.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
