/// Detects looping replies: the same sequence of tokens, several times in a row.
///
/// vLLM's `repetition_detection` has the same three numbers. It is off by default, because a table or a poem may repeat
/// itself on purpose.
///
/// ```swift
/// options.repetitionDetection = .chat
/// ```
public struct RepetitionDetection: Sendable, Equatable {
    /// The minimum and maximum length of the repeated sequence, in tokens.
    public var minimumPattern: Int
    public var maximumPattern: Int
    /// The number of repetitions, at least 2.
    public var count: Int
    /// The minimum length of all repetitions together, in tokens: "ha ha ha" is not a loop yet.
    public var minimumTokens: Int

    public init(minimumPattern: Int = 1, maximumPattern: Int, count: Int, minimumTokens: Int = 0) {
        self.minimumPattern = minimumPattern
        self.maximumPattern = maximumPattern
        self.count = count
        self.minimumTokens = minimumTokens
    }

    /// For chats: a sentence or a paragraph for the third time, a word for the sixtieth.
    public static let chat = RepetitionDetection(maximumPattern: 160, count: 3, minimumTokens: 60)

    /// - Throws: `OptionError` that names the number.
    public func validate() throws(OptionError) {
        guard minimumPattern >= 1, minimumPattern <= maximumPattern, maximumPattern <= 4096 else {
            throw OptionError(
                option: "repetition_detection", value: "for patterns of \(minimumPattern) to \(maximumPattern) tokens",
                expected: "1 ≤ min_pattern_size ≤ max_pattern_size ≤ 4096")
        }
        guard (2...1024).contains(count) else {
            throw OptionError(
                option: "repetition_detection.min_count", value: "\(count)", expected: "an integer in 2…1024")
        }
    }
}

/// Watches the tokens of one reply.
///
/// For every period p, it counts how many of the last tokens equal those p tokens before: one comparison per period and
/// token.
package struct RepetitionWatch {
    private let detection: RepetitionDetection
    /// `runs[p - minimumPattern]`.
    private var runs: [Int]
    private var reply: [Int32] = []

    package init(_ detection: RepetitionDetection) {
        self.detection = detection
        runs = [Int](repeating: 0, count: max(detection.maximumPattern - detection.minimumPattern + 1, 0))
    }

    /// Adds a token; true if the reply now ends in enough repetitions.
    package mutating func append(_ token: Int32) -> Bool {
        let position = reply.count
        reply.append(token)
        var isRound = false
        for index in runs.indices {
            let period = detection.minimumPattern + index
            guard position >= period else { break }
            guard reply[position - period] == token else {
                runs[index] = 0
                continue
            }
            runs[index] += 1
            if runs[index] >= period * (detection.count - 1), runs[index] + period >= detection.minimumTokens {
                isRound = true
            }
        }
        return isRound
    }
}
