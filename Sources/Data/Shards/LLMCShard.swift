import MartletTensor

/// The token files of llm.c: 256 32-bit numbers (magic, version, token count, zeros), then the tokens.
///
/// Source: llm.c, dev/data/data_common.py: magic 20240520 and version 1 for 16-bit ids of GPT-2, magic 20240801 and
/// version 7 for 32-bit ids of Llama 3. A document begins with the end-of-text token (Llama 3: begin-of-text).
struct LLMCShard {
    static let headerByteCount = 1024

    let tokenWidth: Int
    let tokenCount: Int
    /// The start of each document, and the token count.
    let documentStarts: [Int]

    /// Nil if the file is not an llm.c shard.
    init?(_ file: MappedFile, findsDocuments: Bool) throws(DataError) {
        guard file.bytes.count >= 4 else { return nil }
        func number(_ index: Int) -> Int32 {
            Int32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self))
        }
        let magic = number(0), beginning: UInt32, version: Int32
        switch magic {
        case 20_240_520: (tokenWidth, version, beginning) = (2, 1, 50256)
        case 20_240_801: (tokenWidth, version, beginning) = (4, 7, 128_000)
        default: return nil
        }
        guard file.bytes.count >= Self.headerByteCount else {
            throw DataError(
                .malformed, path: file.path,
                "has \(file.bytes.count) bytes, but the header alone has \(Self.headerByteCount)")
        }
        guard number(1) == version else {
            throw DataError(
                .unsupported, path: file.path, place: "header", field: "version",
                "is \(number(1)); files with the magic \(magic) have version \(version)")
        }
        // In this format the count is a signed 32-bit number.
        tokenCount = Int(number(2))
        guard tokenCount >= 0, file.bytes.count == Self.headerByteCount + tokenCount * tokenWidth else {
            throw DataError(
                .malformed, path: file.path, place: "header", field: "token count",
                "is \(tokenCount), but the file has \(file.bytes.count) bytes")
        }
        guard findsDocuments, tokenCount > 0 else {
            documentStarts = tokenCount > 0 ? [0, tokenCount] : [0]
            return
        }
        var starts = [0]
        for index in 1..<max(tokenCount, 1) {
            let place = Self.headerByteCount + index * tokenWidth
            let id =
                tokenWidth == 2
                ? UInt32(UInt16(littleEndian: file.bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self)))
                : UInt32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
            if id == beginning { starts.append(index) }
        }
        documentStarts = starts + [tokenCount]
    }
}
