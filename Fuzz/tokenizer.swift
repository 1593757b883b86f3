// floors: System JSON Patterns Jinja Tokenizers Grammar Chat
// with: tokenizing
// longest: 24576
import MartletJSON
import MartletJinja
import MartletTokenizers

/// Reads the input as a `tokenizer.json`, and encodes and decodes a few texts.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let json = try? JSON(parsing: UnsafeBufferPointer(start: start, count: count)),
        let tokenizer = try? Tokenizer(json: json, configuration: json["configuration"])
    else { return 0 }
    exercise(tokenizer)
    for source in tokenizer.chatTemplates.values { _ = try? JinjaTemplate(source) }
    return 0
}
