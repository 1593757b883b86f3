/// Finds stop strings in streamed text and holds back text that may begin one.
struct StopStringScanner {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []

    init(_ stops: [String]) { self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty } }

    /// Adds text; returns the text that can be shown, and the stop string if one is complete (the text before it is
    /// shown).
    mutating func append(_ text: String) -> (text: String, stop: String?) {
        guard !stops.isEmpty else { return (text, nil) }
        held += text.utf8
        var first: (position: Int, stop: [UInt8])?
        for stop in stops {
            if let position = held.firstPosition(of: stop), first.map({ position < $0.position }) ?? true {
                first = (position, stop)
            }
        }
        if let first {
            let shown = String(decoding: held[..<first.position], as: UTF8.self)
            held = []
            return (shown, String(decoding: first.stop, as: UTF8.self))
        }
        // A stop string starts with a whole character, so the cut never splits a character.
        let keep = stops.map { held.longestSuffixThatStarts($0) }.max() ?? 0
        let shown = String(decoding: held.dropLast(keep), as: UTF8.self)
        held = Array(held.suffix(keep))
        return (shown, nil)
    }

    /// What was held back at the end of the text.
    mutating func finish() -> String {
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }
}

extension [UInt8] {
    fileprivate func firstPosition(of needle: [UInt8]) -> Int? {
        guard count >= needle.count else { return nil }
        return (0...(count - needle.count)).first { self[$0..<($0 + needle.count)].elementsEqual(needle) }
    }

    fileprivate func longestSuffixThatStarts(_ needle: [UInt8]) -> Int {
        for length in stride(from: Swift.min(count, needle.count - 1), to: 0, by: -1)
        where suffix(length).elementsEqual(needle.prefix(length)) { return length }
        return 0
    }
}
