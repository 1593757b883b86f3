// floors: System JSON Patterns Tokenizers Grammar
// longest: 2048
import MartletGrammar
import MartletJSON

private let tree = TokenTree(
    tokenBytes: [[]] + (0..<256).map { [UInt8($0)] } + ["\":", "\",\"", "}}", "12"].map { Array($0.utf8) },
    endTokens: [0])

/// Up to a zero byte a JSON Schema, then choices among the tokens that its masks let through. A schema is refused with a
/// typed error or always leads on, and what it leads to is JSON that satisfies it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count)
    let end = input.firstIndex(of: 0) ?? input.count
    guard let schema = try? JSON(parsing: UnsafeBufferPointer(rebasing: input[..<end])) else { return 0 }
    var limits = GrammarLimits()
    limits.work = 400_000
    limits.states = 20_000
    limits.cacheBytes = 1 << 18
    guard let grammar = try? GrammarCompiler(tree, limits: limits).compile(.jsonSchema(schema)) else { return 0 }
    var matcher = grammar.makeMatcher()
    var text: [UInt8] = []
    var choices = input[min(end + 1, input.count)...]
    for _ in 0..<400 {
        guard let mask = try? matcher.allowedTokens() else {
            // An ambiguous text is the only reason not to go on.
            return 0
        }
        let allowed = (0..<Int32(tree.vocabularySize)).filter { mask.allows($0) }
        precondition(!allowed.isEmpty, "nothing may follow")
        let choice = Int(choices.popFirst() ?? 0)
        let token = allowed[choice % allowed.count]
        do { try matcher.accept(token) } catch { preconditionFailure("a token of the mask is refused") }
        if token == 0 {
            guard let value = try? JSON(parsing: text) else {
                precondition(isRepeating(text), "no JSON: \(String(decoding: text, as: UTF8.self))")
                return 0
            }
            if let isValid = try? SchemaCheck.admits(schema, value) {
                precondition(isValid, "not valid: \(String(decoding: text, as: UTF8.self))")
            }
            return 0
        }
        if token <= 256 {
            text.append(UInt8(token - 1))
        } else {
            text += ["\":", "\",\"", "}}", "12"][Int(token) - 257].utf8
        }
    }
    return 0
}

/// Names that no schema speaks of may come twice.
private func isRepeating(_ text: [UInt8]) -> Bool {
    do throws(JSONError) {
        _ = try JSON(parsing: text)
        return false
    } catch {
        return error.reason.contains("appears twice")
    }
}
