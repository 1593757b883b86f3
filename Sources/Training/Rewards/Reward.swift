import MartletAdapters
import MartletChat
import MartletFormats
import MartletJSON

/// A reply to be judged, and what is known of its prompt.
public struct RewardRequest: Sendable {
    public var prompt: [ChatMessage]
    public var reply: String
    /// The reference answer, where the problem has one.
    public var answer: String?
    /// The record that the problem was read from; empty for a task that is made up.
    public var columns: JSONObject
    /// The problem's own check, where it has one.
    var check: (@Sendable (String) -> Double)?

    public init(prompt: [ChatMessage], reply: String, answer: String? = nil, columns: JSONObject = JSONObject()) {
        self.prompt = prompt
        self.reply = reply
        self.answer = answer
        self.columns = columns
    }

    /// Which one it is, for errors: the beginnings of reply and question.
    var shown: String {
        func short(_ text: String) -> String {
            let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
            return "\"" + line.prefix(200) + (line.count > 200 ? "…\"" : "\"")
        }
        return "the reply \(short(reply)) to \(short(prompt.last?.content ?? ""))"
    }
}

/// How much a reply is worth: a name and a closure over the replies of a step.
///
/// ```swift
/// let polite = Reward("polite") { $0.reply.contains("please") ? 1 : 0 }
/// ```
public struct Reward {
    /// As the log names it.
    public let name: String
    /// A number for each reply, in order.
    public let score: ([RewardRequest]) throws -> [Double]

    public init(_ name: String, _ score: @escaping (RewardRequest) throws -> Double) {
        self.init(name) { requests in
            try requests.map { request in
                do { return try score(request) } catch let error as RewardError { throw error } catch {
                    throw RewardError(.problem, "reward \(name) failed on \(request.shown): \(error)")
                }
            }
        }
    }

    public init(_ name: String, replies score: @escaping ([RewardRequest]) throws -> [Double]) {
        self.name = name
        self.score = score
    }
}

/// Why replies could not be judged.
public struct RewardError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// No such reward, or a program that cannot be started.
        case unknown
        /// A problem lacks what the reward looks at.
        case problem
        /// The program took longer than it may, or ended.
        case timeout, exited
        /// Another number of answers than replies, an answer that is no number.
        case count, number
    }
    public var kind: Kind
    public var description: String

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

/// Rewards with their weights: "number=1,format=0.2,./judge.py".
///
/// ```swift
/// let reward = RewardSum([
///     (try Reward.builtIn("number"), 1), (Reward("brief") { $0.reply.utf8.count < 200 ? 1 : 0 }, 0.2),
/// ])
/// let (totals, means) = try reward(requests)
/// ```
public struct RewardSum {
    public let parts: [(reward: Reward, weight: Double)]
    /// As it was written, for a run's configuration.
    public let text: String

    public init(_ parts: [(reward: Reward, weight: Double)]) {
        self.parts = parts
        text = parts.map { $0.weight == 1 ? $0.reward.name : "\($0.reward.name)=\($0.weight)" }.joined(separator: ",")
    }

    /// - Parameters:
    ///   - text: names of built-in rewards and paths of programs, separated by commas, each with "=weight" where it is
    ///     not 1.
    ///   - seconds: that a program may take for the replies of a step.
    ///   - locate: finds the base of a reward model that is an adapter, by the name that its files have for it.
    /// - Throws: `RewardError` for a name there is not, a weight that is none, a program that cannot be started.
    public init(_ text: String, seconds: Double = 60, locate: (String) throws -> String = { $0 }) throws {
        parts = try Self.named(text).map { name, weight in
            (try Self.isOutside(name) ? Self.outside(name, seconds: seconds, locate) : Reward.builtIn(name), weight)
        }
        self.text = text
    }

    /// Names with their weights, without anything being opened or started.
    package static func named(_ text: String) throws -> [(name: String, weight: Double)] {
        try split(text).map { part in
            var name = String(part), weight = 1.0
            if let cut = part.lastIndex(of: "="),
                !part.hasPrefix("regex:") || part.lastIndex(of: "/").map({ $0 < cut }) ?? true
            {
                guard let number = Double(part[part.index(after: cut)...]), number.isFinite else {
                    throw RewardError(.unknown, "the weight of reward \"\(part.prefix(200))\" is no number")
                }
                (name, weight) = (String(part[..<cut]), number)
            }
            guard !name.isEmpty else { throw RewardError(.unknown, "reward \"\(text.prefix(200))\": a name is empty") }
            return (name, weight)
        }
    }

    /// The names, of which those of built-in rewards are known, again without anything being opened or started.
    /// - Throws: `RewardError` for a name there is not, a weight that is none.
    @discardableResult
    package static func demandKnown(_ text: String) throws -> [String] {
        let names = try named(text).map(\.name)
        for name in names where !isOutside(name) { _ = try Reward.builtIn(name) }
        return names
    }

    /// Whether a name is the path of a program or of a reward model's folder.
    package static func isOutside(_ name: String) -> Bool { name.contains("/") && !name.hasPrefix("regex:") }

    /// A reward model in a folder, or a program.
    private static func outside(
        _ path: String, seconds: Double, _ locate: (String) throws -> String
    ) throws -> Reward {
        let parts = path.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if ScoredModel.judgesSteps(parts[0]) {
            var fold = StepRewardScorer.Fold.smallest
            if parts.count > 1 {
                guard let named = StepRewardScorer.Fold(rawValue: parts[1]) else {
                    throw RewardError(
                        .unknown,
                        "reward \(path): what steps become is one of "
                            + StepRewardScorer.Fold.allCases.map(\.rawValue).joined(separator: ", "))
                }
                fold = named
            }
            let model = try StepRewardScorer(path: parts[0], fold, locate: locate)
            return Reward(path, replies: model.scores)
        }
        if Folder.isFile(path + "/config.json") || PEFTFolder.isAdapter(path) {
            let model = try RewardModelScorer(path: path, locate: locate)
            return Reward(path, replies: model.scores)
        }
        let program = try RewardProgram(path: path, seconds: seconds)
        return Reward(path, replies: program.score)
    }

    /// At commas, but for those within the slashes of an expression.
    private static func split(_ text: String) -> [Substring] {
        var parts: [Substring] = [], start = text.startIndex, isOpen = false, escaped = false
        for index in text.indices {
            let character = text[index]
            if character == "/", !escaped, text[start..<index].hasPrefix("regex:") { isOpen.toggle() }
            escaped = character == "\\" && !escaped
            guard character == ",", !isOpen else { continue }
            parts.append(text[start..<index])
            start = text.index(after: index)
        }
        return parts + [text[start...]]
    }

    /// Σ weight · reward of each reply, and the mean of each reward.
    /// - Throws: `RewardError` also for a number of answers that is not that of the replies, or one that is no number.
    public func callAsFunction(_ requests: [RewardRequest]) throws -> (totals: [Double], means: [Metric]) {
        let each = try each(requests)
        var totals = [Double](repeating: 0, count: requests.count), means: [Metric] = []
        for ((reward, weight), found) in zip(parts, each) {
            for (index, value) in found.enumerated() { totals[index] += weight * value }
            let mean = found.isEmpty ? 0 : found.reduce(0, +) / Double(found.count)
            if parts.count > 1 { means.append(Metric("reward_" + reward.name, mean)) }
        }
        return (totals, means)
    }

    /// What every part gives the replies, without its weight.
    package func each(_ requests: [RewardRequest]) throws -> [[Double]] {
        try parts.map { reward, _ in
            let found = try reward.score(requests)
            guard found.count == requests.count else {
                throw RewardError(
                    .count, "reward \(reward.name) gave \(found.count) numbers for \(requests.count) replies")
            }
            if let index = found.firstIndex(where: { !$0.isFinite }) {
                throw RewardError(
                    .number,
                    "reward \(reward.name) is \(found[index]), which is no number, for \(requests[index].shown)")
            }
            return found
        }
    }
}
