import MartletTokenizers

// floors: System JSON Patterns Tokenizers
// with: tokenizing
// longest: 16384

/// Reads all but the first byte as a sentencepiece `tokenizer.model`, with what the first says to put around texts, and
/// encodes and decodes a few.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    var surroundings = Tokenizer.Surroundings(addsBOS: start[0] & 1 != 0, addsEOS: start[0] & 2 != 0)
    surroundings.prefixesFirstOnly = start[0] & 4 != 0
    surroundings.addsNoPrefix = start[0] & 8 != 0
    let model = UnsafeBufferPointer(start: start + 1, count: count - 1)
    if let tokenizer = try? Tokenizer(sentencePiece: model, surroundings: surroundings) { exercise(tokenizer) }
    return 0
}
