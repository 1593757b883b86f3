/// The last tokens of prompt and reply, which penalties count.
struct PenaltyWindow: Sendable {
    /// What no longer counts.
    enum Gone: Equatable {
        /// A token that the prompt's part of the window has no more.
        case prompt(Int32)
        /// One occurrence of a token in the reply.
        case reply(Int32)
    }

    /// The tokens, of which those before `first` are outside.
    private var tokens: [Int32]
    private var first = 0
    private let promptEnd: Int
    private let count: Int
    /// How often the prompt's part of the window has each token.
    private(set) var promptCounts: [Int32: Int] = [:]

    init(_ count: Int, prompt: some Sequence<Int32>) {
        self.count = count
        tokens = prompt.suffix(count)
        promptEnd = tokens.count
        for token in tokens { promptCounts[token, default: 0] += 1 }
    }

    /// Adds a token of the reply.
    /// - Returns: what leaves the window for it.
    mutating func add(_ token: Int32) -> Gone? {
        tokens.append(token)
        guard tokens.count - first > count else { return nil }
        let oldest = tokens[first]
        first += 1
        guard first <= promptEnd else { return .reply(oldest) }
        let left = (promptCounts[oldest] ?? 1) - 1
        promptCounts[oldest] = left > 0 ? left : nil
        return left > 0 ? nil : .prompt(oldest)
    }
}
