// floors: System JSON Patterns Tokenizers
// with: tokenizing
// longest: 16384
import MartletJSON
import MartletTokenizers

/// Reads the input as the other files tokenizers come in, by its first byte: tiktoken's ranks; `vocab.json` and, after a
/// zero byte, `merges.txt`; or the metadata of a GGUF file, a value a line: model, cuts, tokens, and after an empty line
/// merges. Encodes and decodes a few texts.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count)
    guard let first = input.first else { return 0 }
    let rest = input[1...]
    var tokenizer: Tokenizer?
    switch first & 3 {
    case 0: tokenizer = try? Tokenizer(tiktoken: rest, pattern: first & 4 == 0 ? "cl100k_base" : "tekken")
    case 1:
        let end = rest.firstIndex(of: 0) ?? rest.endIndex
        guard let vocabulary = try? JSON(parsing: Array(rest[..<end])) else { return 0 }
        tokenizer = try? Tokenizer(
            vocabulary: vocabulary, merges: String(decoding: rest[end...].dropFirst(), as: UTF8.self))
    default:
        let lines = rest.split(separator: 0x0A, omittingEmptySubsequences: false)
        guard lines.count > 2 else { return 0 }
        let tokens = lines[2...].prefix { !$0.isEmpty }
        var metadata = GGUFTokenizerMetadata(
            model: String(decoding: lines[0], as: UTF8.self), tokens: tokens.map { Array($0) })
        metadata.pre = String(decoding: lines[1], as: UTF8.self)
        metadata.merges = lines[tokens.endIndex...].dropFirst().map { String(decoding: $0, as: UTF8.self) }
        if first & 8 != 0 { metadata.scores = tokens.indices.map { -Float($0) } }
        if first & 16 != 0 { metadata.tokenTypes = tokens.enumerated().map { Int32($0.offset % 7) } }
        metadata.unknownID = first & 32 != 0 ? 0 : nil
        tokenizer = try? Tokenizer(gguf: metadata)
    }
    if let tokenizer { exercise(tokenizer) }
    return 0
}
