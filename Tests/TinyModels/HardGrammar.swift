/// Grammars that are hard to follow.
public enum HardGrammar {
    /// A text is in very many states at once, and in others after every byte: each rule counts the letters of a set of its
    /// own, even or odd.
    public static func parities(_ count: Int) -> String {
        var random = SmallRandom(480)
        let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,.")
        let rules = (0..<count).map { number in
            let set = String(letters.shuffled(using: &random).prefix(34))
            return "r\(number) ::= ([^\(set)] | [\(set)] [^\(set)]* [\(set)])*"
        }
        return "root ::= " + (0..<count).map { "r\($0)" }.joined(separator: " | ") + "\n"
            + rules.joined(separator: "\n") + "\n"
    }
}

/// Random numbers that are the same in every run (SplitMix64).
public struct SmallRandom: RandomNumberGenerator {
    private var state: UInt64

    public init(_ seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
