import MartletChat
import MartletJSON

/// Preferences or labels of replies: the data of preference learning and reward models.
public enum Feedback: Sendable, Equatable {
    /// One reply is preferred to another.
    case pair(PreferencePair)
    /// A single reply is labelled good or bad.
    case judged(JudgedReply)
    /// Each step of a reply is labelled right or wrong.
    case steps(JudgedSteps)
}

/// Two replies to one prompt; `chosen` is preferred.
public struct PreferencePair: Sendable, Equatable {
    public var prompt, chosen, rejected: [ChatMessage]
    public var tools: [JSON]?
    /// Whether the replies are plain texts that continue the prompt without a chat template; each is one message.
    public var isText = false
    /// By how much the chosen reply is better, if the record has a `margin`.
    public var margin: Double?

    public init(prompt: [ChatMessage], chosen: [ChatMessage], rejected: [ChatMessage]) {
        self.prompt = prompt
        self.chosen = chosen
        self.rejected = rejected
    }
}

/// A reply, and whether it is desirable (data of KTO).
public struct JudgedReply: Sendable, Equatable {
    public var prompt, reply: [ChatMessage]
    public var tools: [JSON]?
    public var isDesirable: Bool
    /// Whether prompt and reply are plain texts that are concatenated without a chat template.
    public var isText = false

    public init(prompt: [ChatMessage], reply: [ChatMessage], isDesirable: Bool) {
        self.prompt = prompt
        self.reply = reply
        self.isDesirable = isDesirable
    }
}

/// A reply in steps, each labelled right or wrong (data of process reward models).
public struct JudgedSteps: Sendable, Equatable {
    public var prompt: [ChatMessage]
    public var steps: [String]
    public var areRight: [Bool]

    public init(prompt: [ChatMessage], steps: [String], areRight: [Bool]) {
        self.prompt = prompt
        self.steps = steps
        self.areRight = areRight
    }
}

extension Feedback {
    /// The content as JSON, which identifies the record and is used for fingerprints.
    var json: JSON {
        func list(_ messages: [ChatMessage]) -> JSON { .array(messages.map(\.json)) }
        switch self {
        case .pair(let pair):
            return ["prompt": list(pair.prompt), "chosen": list(pair.chosen), "rejected": list(pair.rejected)]
        case .judged(let judged):
            return [
                "prompt": list(judged.prompt), "completion": list(judged.reply), "label": .bool(judged.isDesirable),
            ]
        case .steps(let steps):
            return [
                "prompt": list(steps.prompt), "completions": .array(steps.steps.map { .string($0) }),
                "labels": .array(steps.areRight.map { .bool($0) }),
            ]
        }
    }

    var isEmpty: Bool {
        switch self {
        case .pair(let pair): pair.chosen.isEmpty || pair.rejected.isEmpty
        case .judged(let judged): judged.reply.isEmpty
        case .steps(let steps): steps.steps.isEmpty
        }
    }
}
