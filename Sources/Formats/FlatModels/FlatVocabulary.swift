import MartletSystem
import MartletTensor

/// The tokens of a `tokenizer.bin` (llama2.c) or a `gpt2_tokenizer.bin` (llm.c), as they are stored.
package struct FlatVocabulary: Sendable {
    /// The bytes of every token.
    package var tokens: [[UInt8]] = []
    /// llama2.c's: how early a pair is merged.
    package var scores: [Float] = []
    /// llm.c's: the token between texts.
    package var endOfText: Int?

    package static let llmcMagic = 20_240_328

    package init(tokens: [[UInt8]], scores: [Float] = [], endOfText: Int? = nil) {
        self.tokens = tokens
        self.scores = scores
        self.endOfText = endOfText
    }

    /// The vocabulary in a file of either program, whatever model it belongs to; nil for another format.
    package static func open(_ path: String) throws(FormatError) -> FlatVocabulary? {
        let file = try MappedFile.open(path, copying: false)
        guard file.bytes.count >= 12, file.number(0) == llmcMagic else { return llama2cAlone(file) }
        return try FlatVocabulary(llmc: file, vocabularySize: file.number(2))
    }

    /// llama2.c's has no magic number: it is known by its name, and by the length of its longest token, which comes first.
    static func llama2cAlone(_ file: MappedFile) -> FlatVocabulary? {
        guard file.path.hasSuffix(".bin"), file.bytes.count >= 12,
            let found = try? FlatVocabulary(llama2c: file, vocabularySize: 1),
            found.tokens.map(\.count).max() == file.number(0)
        else { return nil }
        return found
    }

    /// llama2.c's: the length of the longest token, then a score, a length and bytes of each. The file does not say how many
    /// there are.
    package init(llama2c path: String, vocabularySize: Int) throws(FormatError) {
        try self.init(llama2c: MappedFile.open(path, copying: true), vocabularySize: vocabularySize)
    }

    package init(llama2c file: MappedFile, vocabularySize: Int) throws(FormatError) {
        let bytes = file.bytes
        var offset = 4
        func malformed(_ reason: String) -> FormatError {
            FormatError(.malformed, path: file.path, field: "token \(tokens.count)", reason)
        }
        while offset < bytes.count {
            guard bytes.count - offset >= 8 else { throw malformed("ends within its score or length") }
            let score = Float(
                bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
            let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)))
            guard !score.isNaN else { throw malformed("its score is no number") }
            guard length <= bytes.count - offset - 8 else {
                throw malformed("has \(length) bytes, and \(bytes.count - offset - 8) are left")
            }
            scores.append(score)
            tokens.append(Array(bytes[offset + 8..<offset + 8 + length]))
            offset += 8 + length
        }
        guard tokens.count >= vocabularySize, vocabularySize > 0 else {
            throw FormatError(
                .malformed, path: file.path, "has \(tokens.count) tokens, the model \(vocabularySize)")
        }
        withExtendedLifetime(file) {}
    }

    /// llm.c's: a header, then a length of one byte and the bytes of each token.
    package init(llmc path: String, vocabularySize: Int) throws(FormatError) {
        try self.init(llmc: MappedFile.open(path, copying: true), vocabularySize: vocabularySize)
    }

    package init(llmc file: MappedFile, vocabularySize: Int) throws(FormatError) {
        let bytes = file.bytes
        guard bytes.count >= LLMCFile.headerByteCount, file.number(0) == Self.llmcMagic else {
            throw FormatError(.malformed, path: file.path, field: "header", "is not that of a tokenizer of llm.c")
        }
        let version = file.number(1), count = file.number(2)
        guard version == 1 || version == 2 else {
            throw FormatError(.unsupported, path: file.path, field: "version", "is \(version), expected 1 or 2")
        }
        guard count > 0 else {
            throw FormatError(.malformed, path: file.path, field: "vocab_size", "is \(count)")
        }
        guard count == vocabularySize else {
            throw FormatError(
                .malformed, path: file.path, field: "vocab_size", "is \(count), the model has \(vocabularySize) tokens")
        }
        let end = version == 1 ? count - 1 : file.number(3)
        guard (0..<count).contains(end) else {
            throw FormatError(.malformed, path: file.path, field: "eot_token", "is \(end) of \(count) tokens")
        }
        var offset = LLMCFile.headerByteCount
        for token in 0..<count {
            let length = offset < bytes.count ? Int(bytes[offset]) : 0
            guard length > 0, length < bytes.count - offset else {
                throw FormatError(.malformed, path: file.path, field: "token \(token)", "is empty or cut off")
            }
            tokens.append(Array(bytes[offset + 1...offset + length]))
            offset += 1 + length
        }
        guard offset == bytes.count else {
            throw FormatError(.malformed, path: file.path, "has \(bytes.count - offset) bytes behind its tokens")
        }
        endOfText = end
        withExtendedLifetime(file) {}
    }

    /// The file's bytes as llama2.c writes them.
    package var llama2cBytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt32(clamping: tokens.map(\.count).max() ?? 0))
        for (token, score) in zip(tokens, scores) {
            bytes.append(littleEndian: score.bitPattern)
            bytes.append(littleEndian: UInt32(clamping: token.count))
            bytes += token
        }
        return bytes
    }

    /// The file's bytes as llm.c writes them, version 2.
    /// - Throws: `FormatError` for a token that is empty or longer than 255 bytes.
    package func llmcBytes(path: String) throws(FormatError) -> [UInt8] {
        var bytes: [UInt8] = []
        let header = [Self.llmcMagic, 2, tokens.count, endOfText ?? 0]
        for index in 0..<256 { bytes.append(littleEndian: Int32(clamping: index < 4 ? header[index] : 0)) }
        for (id, token) in tokens.enumerated() {
            guard (1...255).contains(token.count) else {
                throw FormatError(
                    .unsupported, path: path, field: "token \(id)",
                    "has \(token.count) bytes; a file of llm.c holds tokens of 1 to 255")
            }
            bytes.append(UInt8(token.count))
            bytes += token
        }
        return bytes
    }
}
