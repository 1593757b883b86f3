/// A pattern of relative paths: `*` and `?` match within a name, `**` across folders; `[0-9]` and `{a,b}` are
/// alternatives.
struct GlobPattern {
    private enum Piece {
        case byte(UInt8)
        case any
        case name
        case path
        case set([ClosedRange<UInt8>], isNegated: Bool)
    }

    private let alternatives: [[Piece]]

    /// A limit for the number of alternatives, above that of any real pattern.
    private static let mostAlternatives = 256

    init(_ text: String) {
        var text = text
        while text.hasPrefix("./") { text.removeFirst(2) }
        alternatives = Self.expanded(Array(text.utf8)).map(Self.pieces)
    }

    func matches(_ path: String) -> Bool {
        let bytes = Array(path.utf8)
        return alternatives.contains { Self.matches($0, bytes) }
    }

    private static func expanded(_ text: [UInt8]) -> [[UInt8]] {
        var open = [text], done: [[UInt8]] = []
        while let next = open.popLast(), open.count + done.count < mostAlternatives {
            guard let start = next.firstIndex(of: UInt8(ascii: "{")),
                let end = next[start...].firstIndex(of: UInt8(ascii: "}"))
            else {
                done.append(next)
                continue
            }
            for choice in next[(start + 1)..<end].split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            {
                open.append(Array(next[..<start]) + choice + next[(end + 1)...])
            }
        }
        return done
    }

    private static func pieces(_ text: [UInt8]) -> [Piece] {
        var pieces: [Piece] = [], place = 0
        while place < text.count {
            switch text[place] {
            case UInt8(ascii: "*"):
                let isPath = place + 1 < text.count && text[place + 1] == UInt8(ascii: "*")
                pieces.append(isPath ? .path : .name)
                place += isPath ? 2 : 1
                // "**/" also matches no folder.
                if isPath, place < text.count, text[place] == UInt8(ascii: "/") { place += 1 }
                continue
            case UInt8(ascii: "?"): pieces.append(.any)
            case UInt8(ascii: "["):
                if let end = text[(place + 1)...].firstIndex(of: UInt8(ascii: "]")), end > place + 1 {
                    pieces.append(set(text[(place + 1)..<end]))
                    place = end
                } else {
                    pieces.append(.byte(text[place]))
                }
            default: pieces.append(.byte(text[place]))
            }
            place += 1
        }
        return pieces
    }

    private static func set(_ text: ArraySlice<UInt8>) -> Piece {
        var text = text, ranges: [ClosedRange<UInt8>] = []
        let isNegated = text.first == UInt8(ascii: "!") || text.first == UInt8(ascii: "^")
        if isNegated { text.removeFirst() }
        while let low = text.popFirst() {
            if text.count >= 2, text.first == UInt8(ascii: "-") {
                text.removeFirst()
                if let high = text.popFirst(), high >= low { ranges.append(low...high) }
            } else {
                ranges.append(low...low)
            }
        }
        return .set(ranges, isNegated: isNegated)
    }

    /// Simulates the set of possible next pieces, so the time is at most the product of the lengths of pattern and
    /// path.
    private static func matches(_ pieces: [Piece], _ path: [UInt8]) -> Bool {
        func closure(_ states: Set<Int>) -> Set<Int> {
            var closed = states, open = Array(states)
            while let state = open.popLast() {
                guard state < pieces.count else { continue }
                switch pieces[state] {
                case .name, .path: if closed.insert(state + 1).inserted { open.append(state + 1) }
                default: break
                }
            }
            return closed
        }
        var states = closure([0])
        for byte in path {
            var next: Set<Int> = []
            for state in states where state < pieces.count {
                switch pieces[state] {
                case .byte(let own): if own == byte { next.insert(state + 1) }
                case .any: if byte != UInt8(ascii: "/") { next.insert(state + 1) }
                case .name: if byte != UInt8(ascii: "/") { next.insert(state) }
                case .path: next.insert(state)
                case .set(let ranges, let isNegated):
                    if byte != UInt8(ascii: "/"), ranges.contains(where: { $0.contains(byte) }) != isNegated {
                        next.insert(state + 1)
                    }
                }
            }
            states = closure(next)
            if states.isEmpty { return false }
        }
        return states.contains(pieces.count)
    }
}
