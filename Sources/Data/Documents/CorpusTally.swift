import MartletJSON

/// Counts of the records of a corpus that were left out or changed, by kind, with the place of the first of each kind.
public struct CorpusTally: Sendable, Equatable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case badRecord = "bad_record"
        case emptyText = "empty"
        case unwanted = "label_false"
        case tooLong = "too_long"
        case rejectedReply = "rejected_reply"
        case emptyReply = "empty_reply"
        case equalPair = "equal_pair"
        case longPair = "long_pair"
        case cutAtTurns = "cut_at_turns"
        case renderedByTurn = "rendered_by_turn"
        case taughtCalls = "taught_calls"
        case closedThought = "closed_thought"
        case replyNotRendered = "reply_not_rendered"
        case messageNotRendered = "message_not_rendered"
        case endNotTrained = "end_not_trained"
        case templateArguments = "template_arguments"

        /// Whether records of this kind are left out; records of the other kinds are changed.
        public var isOmission: Bool {
            switch self {
            case .badRecord, .emptyText, .unwanted, .tooLong, .rejectedReply, .emptyReply, .equalPair, .longPair,
                .replyNotRendered, .messageNotRendered:
                true
            case .cutAtTurns, .renderedByTurn, .taughtCalls, .closedThought, .endNotTrained,
                .templateArguments:
                false
            }
        }

        /// The text for messages, before a count.
        var text: String {
            switch self {
            case .badRecord: "records that cannot be used, left out"
            case .emptyText: "empty or null texts, left out"
            case .unwanted: "records with a label that is false (replies not to be trained on), left out"
            case .tooLong: "conversations, pairs or parts of them longer than a row, left out"
            case .rejectedReply: "rejected replies of preference pairs, left out; the chosen ones are trained on"
            case .emptyReply: "records with an empty reply, left out"
            case .equalPair: "pairs whose two sides are equal, left out"
            case .longPair: "prompts that are longer than a row together with their replies, left out"
            case .cutAtTurns: "conversations longer than a row, cut between turns; each part keeps the system prompt"
            case .renderedByTurn:
                "conversations in which each reply becomes its own sequence, because the chat template renders earlier "
                    + "turns differently from the last"
            case .taughtCalls:
                "conversations with tools and calls written as text, because the chat template does not support tools"
            case .closedThought: "replies without reasoning after a <think> of the template, which is closed at once"
            case .replyNotRendered: "replies with a text or reasoning that the chat template does not render, lost"
            case .messageNotRendered: "messages that the chat template does not render, lost"
            case .templateArguments: "conversations with chat_template_kwargs, which the template is not given"
            case .endNotTrained: "replies whose end token the template's generation tags leave out"
            }
        }
    }

    public struct Entry: Sendable, Equatable {
        public var kind: Kind
        public var count: Int
        /// The place of the first record, and what is wrong with it.
        public var first: String

        /// "empty or null texts, left out: 3; the first: a.jsonl: line 7".
        public var description: String { "\(kind.text): \(count); the first: \(first)" }
    }

    /// In the order of first occurrence.
    public private(set) var entries: [Entry] = []

    public init() {}

    public subscript(kind: Kind) -> Int { entries.first { $0.kind == kind }?.count ?? 0 }

    public mutating func add(_ kind: Kind, at first: @autoclosure () -> String, count: Int = 1) {
        if let index = entries.firstIndex(where: { $0.kind == kind }) {
            entries[index].count += count
        } else {
            entries.append(Entry(kind: kind, count: count, first: first()))
        }
    }

    /// `[{"kind", "count", "first"}]`.
    public var json: JSON {
        .array(
            entries.map {
                ["kind": .string($0.kind.rawValue), "count": .integer(Int64($0.count)), "first": .string($0.first)]
            })
    }

    public mutating func add(_ other: CorpusTally) {
        for entry in other.entries { add(entry.kind, at: entry.first, count: entry.count) }
    }
}

/// What is done with an invalid record, such as one that is not JSON, has no text, or has a prompt without a response.
public enum BadRecordPolicy: String, Sendable, Hashable, CaseIterable {
    /// Throw an error that names file and place.
    case stop
    /// Skip and count it.
    case skip
    /// Skip and count it, and report each.
    case report
}
