// floors: System JSON Patterns Tokenizers Grammar
// longest: 2048
import MartletGrammar

private let tree = TokenTree(
    tokenBytes: [[]] + (0..<256).map { [UInt8($0)] } + [Array("ab".utf8)], endTokens: [0],
    identify: { $0 == "<ab>" ? 257 : nil })

/// Up to a zero byte a grammar, then choices among the tokens that its masks let through. It is refused with a typed error
/// or always leads on; what the masks let through is taken byte by byte as well.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count)
    let end = input.firstIndex(of: 0) ?? input.count
    var limits = GrammarLimits()
    limits.work = 400_000
    limits.states = 20_000
    limits.ambiguity = 64
    limits.cacheBytes = 1 << 18
    let source = String(decoding: input[..<end], as: UTF8.self)
    guard let grammar = try? GrammarCompiler(tree, limits: limits).compile(.gbnf(source)) else { return 0 }
    var matcher = grammar.matcher()
    var bytewise = grammar.matcher()
    // A token that stands for itself is no text.
    let hasText = !grammar.usesTokens
    var choices = input[min(end + 1, input.count)...]
    for _ in 0..<200 {
        let mask: TokenMask
        do throws(GrammarError) {
            mask = try matcher.mask()
        } catch {
            guard case .tooLarge = error else { preconditionFailure("\(error)") }
            return 0
        }
        let allowed = (0..<Int32(tree.vocabularySize)).filter { mask.allows($0) }
        precondition(!allowed.isEmpty, "nothing may follow")
        precondition(mask.allows(0) == matcher.mayEnd, "the end is not in the mask")
        let token = allowed[Int(choices.popFirst() ?? 0) % allowed.count]
        do { try matcher.accept(token) } catch {
            // Masks are made for stacks cut short, of which there are fewer.
            guard case GrammarError.tooLarge = error else { preconditionFailure("a token of the mask is refused") }
            return 0
        }
        if token == 0 { return 0 }
        guard hasText else { continue }
        let bytes = token <= 256 ? [UInt8(token - 1)] : Array("ab".utf8)
        for byte in bytes {
            guard let isTaken = try? bytewise.accept(bytes: CollectionOfOne(byte)) else { return 0 }
            precondition(isTaken, "a byte of a token of the mask is refused")
        }
        precondition(matcher.mayEnd == bytewise.mayEnd, "bytes and tokens disagree")
    }
    return 0
}
