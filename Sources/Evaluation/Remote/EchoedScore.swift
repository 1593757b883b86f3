#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletJSON

/// The log-probabilities that a server gives for the tokens of a prompt it repeats (`echo` and `logprobs`), checked.
///
/// A server may leave them out, or send numbers that no distribution has; either is an error and never a score.
struct EchoedScore {
    /// By token; nil for the first one, which nothing stands before.
    let logProbabilities: [Double?]
    /// The largest one at the place of each token.
    let largest: [Double?]
    /// The texts of the tokens, and where each begins in the prompt, in Unicode scalars.
    let texts: [String]
    let offsets: [Int]
    private static let slack = 1e-4

    /// - Parameters:
    ///   - tokenCount: of the prompt, where it was sent as tokens.
    ///   - prompt: where it was sent as text.
    init(_ choice: JSON, tokenCount: Int?, prompt: String?, url: String) throws(RemoteModelError) {
        func none(_ reason: String) -> RemoteModelError { RemoteModelError(.noLogProbabilities, url, reason) }
        func impossible(_ reason: String) -> RemoteModelError {
            RemoteModelError(.impossibleLogProbabilities, url, reason)
        }
        guard let logs = choice["logprobs"], let values = logs["token_logprobs"]?.array else {
            throw none(
                "the server gives no log-probabilities of a prompt (echo and logprobs of /completions); only tasks that generate can be asked"
            )
        }
        var logProbabilities: [Double?] = []
        for (index, value) in values.enumerated() {
            guard let number = value.double else {
                guard value.isNull, index == 0 else {
                    throw none("the log-probability of token \(index + 1) is \(value.text().prefix(40))")
                }
                logProbabilities.append(nil)
                continue
            }
            guard !number.isNaN, number <= Self.slack else {
                throw impossible("the log-probability of token \(index + 1) is \(number), but none is above 0")
            }
            logProbabilities.append(number)
        }
        let top = logs["top_logprobs"]?.array ?? []
        var largest: [Double?] = []
        for (index, own) in logProbabilities.enumerated() {
            let others = index < top.count ? top[index].object?.compactMap { $0.value.double } ?? [] : []
            guard let own, let most = others.max() else {
                largest.append(nil)
                continue
            }
            guard own <= most + Self.slack else {
                throw impossible(
                    "token \(index + 1) has the log-probability \(own), above the \(most) of the most probable one there"
                )
            }
            let sum = others.reduce(0) { $0 + exp($1) }
            guard sum <= 1 + 1e-3 else {
                throw impossible("the probabilities at token \(index + 1) add up to \(sum), above 1")
            }
            largest.append(most)
        }
        self.logProbabilities = logProbabilities
        self.largest = largest
        texts = logs["tokens"]?.array?.map { $0.string ?? "" } ?? []
        if let tokenCount, logProbabilities.count < tokenCount {
            throw none(
                "the server does not repeat the prompt: \(logProbabilities.count) of its \(tokenCount) tokens came back"
            )
        }
        guard let prompt else {
            offsets = []
            return
        }
        // Tokens are counted by their own texts where those give the prompt; a server's offsets may be of bytes.
        let whole = texts.joined()
        guard texts.count == logProbabilities.count else {
            throw none("there are \(texts.count) tokens, but \(logProbabilities.count) log-probabilities")
        }
        if whole.unicodeScalars.starts(with: prompt.unicodeScalars) {
            var place = 0
            offsets = texts.map { text in
                defer { place += text.unicodeScalars.count }
                return place
            }
        } else if let given = logs["text_offset"]?.array?.compactMap(\.integer), given.count == texts.count,
            given.first == 0, zip(given, given.dropFirst()).allSatisfy({ $0 <= $1 }),
            (given.last ?? 0) >= prompt.unicodeScalars.count - 32
        {
            offsets = given
        } else {
            throw none("the server does not repeat the prompt; it must honour \"echo\"")
        }
    }

    /// Sum and greediness of some tokens.
    func score(_ range: Range<Int>, url: String) throws(RemoteModelError) -> RequestAnswer {
        guard range.upperBound <= logProbabilities.count else {
            throw RemoteModelError(.noLogProbabilities, url, "the answer ends before the prompt does")
        }
        var sum = 0.0, isGreedy = true
        for index in range {
            guard let value = logProbabilities[index] else {
                throw RemoteModelError(
                    .noLogProbabilities, url,
                    "the first token has no log-probability, and a continuation begins with it")
            }
            sum += value
            guard let most = largest[index] else {
                throw RemoteModelError(
                    .noLogProbabilities, url,
                    "top_logprobs are missing, so that nothing says whether a token is the most probable")
            }
            if value != most { isGreedy = false }
        }
        return .score(sum, isGreedy: isGreedy)
    }
}
