import MartletChat
import MartletJSON

/// What somebody thought of replies: what learning from preferences is made of.
public enum Feedback: Sendable, Equatable {
    /// One reply was preferred to another.
    case pair(PreferencePair)
    /// A reply was found good or bad by itself.
    case judged(JudgedReply)
    /// Each step of a reply was found right or wrong.
    case steps(JudgedSteps)
}

/// Two replies to one prompt, of which the first was preferred.
public struct PreferencePair: Sendable, Equatable {
    public var prompt, chosen, rejected: [ChatMessage]
    public var tools: [JSON]?
    /// The sides are plain texts that are continued without a chat template; each is one message.
    public var isText = false
    /// How much better the chosen reply is, where the record says (`margin`).
    public var margin: Double?

    public init(prompt: [ChatMessage], chosen: [ChatMessage], rejected: [ChatMessage]) {
        self.prompt = prompt
        self.chosen = chosen
        self.rejected = rejected
    }
}

/// A reply and whether it is wanted (KTO's data).
public struct JudgedReply: Sendable, Equatable {
    public var prompt, reply: [ChatMessage]
    public var tools: [JSON]?
    public var isDesirable: Bool
    /// Prompt and reply are plain texts that are continued without a chat template.
    public var isText = false

    public init(prompt: [ChatMessage], reply: [ChatMessage], isDesirable: Bool) {
        self.prompt = prompt
        self.reply = reply
        self.isDesirable = isDesirable
    }
}

/// A reply in steps, each of which is right or wrong (data of process reward models).
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
    /// What it says, as JSON: what tells records apart, and what a fingerprint is taken of.
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
