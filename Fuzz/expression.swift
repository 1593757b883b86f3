// floors: System JSON Patterns
// longest: 2048
import MartletPatterns

/// The first byte says which engine's dialect; up to a line break it is an expression, then the text it cuts. Matches
/// come in order and lie in the text, remembering failures does not change them, and steps stay in proportion.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeBufferPointer(start: start, count: count)
    guard let first = input.first, let end = input.firstIndex(of: 0x0A), end > 0 else { return 0 }
    let source = String(decoding: input[1..<end], as: UTF8.self)
    guard let expression = try? RegularExpression(source, first & 1 == 0 ? .oniguruma : .tiktoken) else { return 0 }
    let text = UnsafeBufferPointer(rebasing: input[(end + 1)...])
    var matches: [Range<Int>] = []
    let steps = expression.forEachMatch(in: text) { match in
        precondition(
            match.lowerBound >= matches.last?.upperBound ?? 0 && match.upperBound <= text.count, "out of place")
        matches.append(match)
    }
    // At most 8192 instructions, each a few times at every byte.
    precondition(steps < 5_000 + 50_000 * (text.count + 1), "too many steps")
    var remembered: [Range<Int>] = []
    expression.forEachMatch(in: text, stepsAtFirst: -1_000_000) { remembered.append($0) }
    precondition(matches == remembered, "remembering changes what matches")
    return 0
}
