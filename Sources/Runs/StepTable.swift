import MartletJSON

/// Texts of a step with their numbers: replies that a policy wrote and what they were worth, or pairs and what they are worth
/// to the policy. A line of the run's log, as TRL logs its table of completions.
///
///     {"kind": "completions", "step": 3, "of": 128, "rows": [{"prompt": "…", "completion": "…", "reward": 1}]}
public struct StepTable: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// Columns prompt, completion, reward, advantage; of judged replies label and reward; of replies in steps labels and
        /// accuracy.
        case completions
        /// Columns prompt, chosen, rejected, and rewards/chosen, rewards/rejected, rewards/margins, or the scores of a
        /// reward model: score/chosen, score/rejected, margin.
        case pairs
    }

    public struct Row: Sendable, Equatable {
        public var texts: [Column<String>] = []
        public var numbers: [Column<Double>] = []

        package init(texts: [(String, String)], numbers: [(String, Double)]) {
            self.texts = texts.map { Column(name: $0.0, value: StepTable.shortened($0.1)) }
            self.numbers = numbers.map { Column(name: $0.0, value: $0.1) }
        }

        fileprivate init?(_ json: JSON) {
            guard let members = json.object else { return nil }
            for member in members {
                if let text = member.value.string {
                    texts.append(Column(name: member.key, value: text))
                } else if let number = member.value.double {
                    numbers.append(Column(name: member.key, value: number))
                }
            }
        }

        public subscript(text name: String) -> String? { texts.first { $0.name == name }?.value }
        public subscript(name: String) -> Double? { numbers.first { $0.name == name }?.value }

        fileprivate var json: JSON {
            .object(
                JSONObject(
                    texts.map { ($0.name, .string($0.value)) }
                        + numbers.map { ($0.name, $0.value.isFinite ? .number($0.value) : .null) }))
        }
    }

    public struct Column<Value: Sendable & Equatable>: Sendable, Equatable {
        public let name: String
        public let value: Value
    }

    public let kind: Kind
    /// The first ones of the step.
    public let rows: [Row]
    /// How many the step has.
    public let count: Int

    /// Rows that are logged of a step, and characters of each text.
    package static let mostRows = 8, mostCharacters = 1000

    package init(_ kind: Kind, _ rows: [Row], of count: Int) {
        self.kind = kind
        self.rows = Array(rows.prefix(Self.mostRows))
        self.count = count
    }

    /// - Returns: nil for a line of another kind.
    package init?(_ line: JSON) {
        guard let kind = line["kind"]?.string.flatMap(Kind.init), let rows = line["rows"]?.array else { return nil }
        self.kind = kind
        self.rows = rows.prefix(Self.mostRows).compactMap(Row.init)
        count = line["of"]?.integer ?? rows.count
    }

    private static func shortened(_ text: String) -> String {
        guard let end = text.index(text.startIndex, offsetBy: mostCharacters, limitedBy: text.endIndex),
            end < text.endIndex
        else { return text }
        return text[..<end] + "…"
    }

    func json(step: Int) -> JSON {
        [
            "kind": .string(kind.rawValue), "step": .integer(Int64(step)), "of": .integer(Int64(count)),
            "rows": .array(rows.map(\.json)),
        ]
    }

    /// For viewers of event files.
    var markdown: String {
        rows.map { row in
            row.texts.map { "**\($0.name)**\n\n\($0.value)" }.joined(separator: "\n\n") + "\n\n"
                + row.numbers.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
        }.joined(separator: "\n\n---\n\n")
    }
}
