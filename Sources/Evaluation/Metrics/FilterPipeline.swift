import MartletJSON
import MartletSystem
import Synchronization

/// An entry of `filter_list`: what is done to the replies to a row before they are judged, one step after the other.
package struct FilterPipeline: Sendable {
    let name: String
    let steps: [ReplyFilter]

    /// What stands where a task names no filters.
    static let first = FilterPipeline(name: "none", steps: [.takeFirst])

    var onlyTakesFirst: Bool {
        steps.allSatisfy { if case .takeFirst = $0 { true } else { false } }
    }

    package static func list(_ json: JSON?, task: String) throws(EvaluationError) -> [FilterPipeline] {
        guard let json, !json.isNull else { return [.first] }
        func fail(_ reason: String) -> EvaluationError { EvaluationError(task, field: "filter_list", reason) }
        guard let entries = json.array, !entries.isEmpty else { throw fail("expected a list of filters") }
        var pipelines: [FilterPipeline] = []
        for entry in entries {
            guard let name = entry["name"]?.string else { throw fail("an entry has no name") }
            guard let functions = entry["filter"]?.array, !functions.isEmpty else {
                throw fail("\(name): expected a list of functions under filter")
            }
            var steps: [ReplyFilter] = []
            for function in functions {
                guard let object = function.object, let called = object["function"]?.string else {
                    throw fail("\(name): a step names no function")
                }
                if let last = steps.last, case .takeFirst = last {
                    throw fail("\(name): \(called) follows take_first; one reply is left then, so put take_first last")
                }
                steps.append(try ReplyFilter(called, object, fail: { fail("\(name): \($0)") }))
            }
            guard !pipelines.contains(where: { $0.name == name }) else { throw fail("\(name) is there twice") }
            pipelines.append(FilterPipeline(name: name, steps: steps))
        }
        return pipelines
    }

    /// What is judged of a filtered row: a reply that is a list itself, as Python writes it.
    func judged(_ filtered: JSON?) -> JSON? {
        guard case .takeFirst? = steps.last, let list = filtered, list.array != nil else { return filtered }
        return .string(list.pythonText)
    }

    /// The replies to one row after all steps: one value after `take_first`, else a list.
    package func apply(_ replies: [String], row: JSONObject, task: String) throws -> JSON {
        var values = replies.map { JSON.string($0) }
        for step in steps {
            if case .takeFirst = step { return values.first ?? .string("") }
            values = try step.apply(values, row: row, task: task)
        }
        return .array(values)
    }
}

/// One step of a filter.
enum ReplyFilter: Sendable {
    case takeFirst
    case takeFirstK(Int)
    case majority
    case lowercase, uppercase, trim
    case spans
    /// The tags of a reply that writes `('word', 'TAG')`.
    case partsOfSpeech(PythonPattern, fallback: JSON)
    case regex(PythonPattern, group: Int, fallback: String)
    case choiceRegex(PythonPattern, group: Int, fallback: String, ignoring: ChoiceComparison)
    case map([(from: String, to: JSON)], otherwise: JSON)

    private static let names = [
        "take_first", "take_first_k", "majority_vote", "lowercase", "uppercase", "remove_whitespace", "regex",
        "multi_choice_regex", "regex_pos", "map", "format_span",
    ]

    init(_ name: String, _ object: JSONObject, fail: (String) -> EvaluationError) throws(EvaluationError) {
        var read: Set<String> = ["function"]
        func value(_ key: String) -> JSON? {
            read.insert(key)
            return object[key].flatMap { $0.isNull ? nil : $0 }
        }
        func pattern() throws(EvaluationError) -> PythonPattern {
            let text = value("regex_pattern")?.string ?? "#### (\\-?[0-9\\.\\,]+)"
            guard let pattern = PythonPattern(text) else {
                throw fail("\(name): \(text.quoted()) is no regular expression that is read")
            }
            return pattern
        }
        func fallback() -> String { value("fallback")?.string ?? "[invalid]" }
        switch name {
        case "take_first": self = .takeFirst
        case "take_first_k":
            guard let k = value("k")?.integer, k > 0 else { throw fail("take_first_k needs k, a number above 0") }
            self = .takeFirstK(k)
        case "majority_vote": self = .majority
        case "lowercase": self = .lowercase
        case "uppercase": self = .uppercase
        case "remove_whitespace": self = .trim
        case "format_span": self = .spans
        case "regex": self = .regex(try pattern(), group: value("group_select")?.integer ?? 0, fallback: fallback())
        case "regex_pos":
            // Its expression and group change nothing in lm-evaluation-harness either.
            _ = (value("regex_pattern"), value("group_select"))
            guard let tagged = PythonPattern(#"\('([^']*)', '([^']*)'\)"#) else { throw fail("regex_pos is not read") }
            self = .partsOfSpeech(tagged, fallback: value("fallback") ?? ["invalid"])
        case "multi_choice_regex":
            var comparison = ChoiceComparison()
            comparison.ignoresCase = value("ignore_case")?.bool ?? false
            comparison.ignoresPunctuation = value("ignore_punctuation")?.bool ?? false
            for entry in value("regexes_to_ignore")?.array ?? [] {
                guard let text = entry.string, let found = PythonPattern(text) else {
                    throw fail("\(name): \(entry.text().shown()) is no regular expression that is read")
                }
                comparison.patterns.append(found)
            }
            self = .choiceRegex(
                try pattern(), group: value("group_select")?.integer ?? 0, fallback: fallback(), ignoring: comparison)
        case "map":
            guard let mapping = value("mapping_dict")?.object else { throw fail("map needs mapping_dict") }
            self = .map(mapping.map { ($0.key, $0.value) }, otherwise: value("default_value") ?? .null)
        default:
            let near = Spelling.nearest(to: name, among: Self.names)
            throw fail(
                "\(name.quoted()) is not known" + (near.map { "; did you mean \($0)?" } ?? "") + " Known are "
                    + Self.names.joined(separator: ", "))
        }
        if let other = object.keys.first(where: { !read.contains($0) }) {
            throw fail("\(name): \(other.quoted()) is not read")
        }
    }

    func apply(_ values: [JSON], row: JSONObject, task: String) throws -> [JSON] {
        func texts(_ change: (String) throws -> String) rethrows -> [JSON] {
            try values.map { .string(try change($0.string ?? "")) }
        }
        switch self {
        case .takeFirst: return values
        case .takeFirstK(let k):
            guard values.count >= k else {
                throw EvaluationError(
                    task, field: "filter_list",
                    "take_first_k asks for \(k) replies, but there are \(values.count); raise repeats")
            }
            return Array(values.prefix(k))
        case .majority:
            // The first of those that occur most often.
            var counts: [(value: JSON, count: Int)] = []
            for value in values {
                if let index = counts.firstIndex(where: { $0.value == value }) {
                    counts[index].count += 1
                } else {
                    counts.append((value, 1))
                }
            }
            let most = counts.map(\.count).max() ?? 0
            return counts.first { $0.count == most }.map { [$0.value] } ?? []
        case .lowercase: return texts { $0.lowercased() }
        case .uppercase: return texts { $0.uppercased() }
        case .trim: return texts(\.spaceTrimmed)
        case .spans: return try texts(NamedSpans.formatted)
        case .partsOfSpeech(let pattern, let fallback):
            return values.map { value in
                let tags = pattern.findAll(value.string ?? "").map { JSON.string($0[1]) }
                return tags.isEmpty ? fallback : .array(tags)
            }
        case .regex(let pattern, let group, let fallback):
            return try texts { try pattern.selected(from: $0, group, task: task) ?? fallback }
        case .choiceRegex(let pattern, let group, let fallback, let comparison):
            return try texts {
                if let found = try pattern.selected(from: $0, group, task: task), !found.isEmpty { return found }
                return try comparison.choice(in: $0, row: row, group, task: task) ?? fallback
            }
        case .map(let pairs, let otherwise):
            return values.map { value in pairs.first { .string($0.from) == value }?.to ?? otherwise }
        }
    }
}

/// A regular expression that any thread may use: compiled once, used by one thread at a time, as Swift's `Regex` is not
/// `Sendable`.
final class PythonPattern: Sendable {
    let text: String
    private let regex: Mutex<PythonRegex>

    /// Nil for a text that is no expression.
    init?(_ text: String) {
        guard let regex = try? PythonRegex(text) else { return nil }
        self.text = text
        self.regex = Mutex(regex)
    }

    /// The groups of each match, or the match itself where there are no groups.
    func findAll(_ text: String) -> [[String]] { regex.withLock { $0.findAll(text) } }

    /// A text without its matches.
    func removed(from text: String) -> String { regex.withLock { $0.replacing(in: text, with: "") } }

    /// The match that `group` selects (negative numbers count from the last), its first group that took part.
    func selected(from reply: String, _ group: Int, task: String) throws -> String? {
        let matches = findAll(reply)
        guard !matches.isEmpty else { return nil }
        let index = group < 0 ? matches.count + group : group
        guard matches.indices.contains(index) else {
            throw EvaluationError(
                task, field: "filter_list",
                "group_select is \(group), but \(text.quoted()) matches \(matches.count) times in \(reply.quoted())")
        }
        let groups = matches[index]
        guard groups.count > 1 else { return groups[0].spaceTrimmed }
        return groups.first { !$0.isEmpty }?.spaceTrimmed
    }
}

/// What `multi_choice_regex` falls back on: the text of a choice in the reply, or its letter after a colon.
struct ChoiceComparison: Sendable {
    var ignoresCase = false, ignoresPunctuation = false
    var patterns: [PythonPattern] = []

    private func plain(_ text: String) -> String {
        var text = text
        for pattern in patterns { text = pattern.removed(from: text) }
        if ignoresCase { text = text.lowercased() }
        guard ignoresPunctuation else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.filter { !$0.isPunctuation }))
    }

    func choice(in reply: String, row: JSONObject, _ group: Int, task: String) throws -> String? {
        guard let choices = row["choices"]?.array?.compactMap(\.string), !choices.isEmpty, choices.count <= 26 else {
            throw EvaluationError(
                task, field: "filter_list", "multi_choice_regex needs a column choices with a list of up to 26 texts")
        }
        let letters = (0..<choices.count).map { String(UnicodeScalar(UInt8(ascii: "A") + UInt8($0))) }
        let texts = choices.map { plain($0.spaceTrimmed) }
        // A choice that begins as another one must not hide it.
        let alternatives = texts.map(PythonRegex.escaped).sorted { $0.unicodeScalars.count > $1.unicodeScalars.count }
        if let pattern = PythonPattern(alternatives.joined(separator: "|")),
            let found = try pattern.selected(from: plain(reply), group, task: task), !found.isEmpty
        {
            return texts.lastIndex(of: found).map { "(\(letters[$0]))" } ?? found
        }
        guard let pattern = PythonPattern(":[\\s]*(\(letters.joined(separator: "|")))"),
            let found = try pattern.selected(from: reply, group, task: task), !found.isEmpty
        else { return nil }
        return "(\(found))"
    }
}

extension Unicode.Scalar {
    /// Of a category that begins with P.
    fileprivate var isPunctuation: Bool {
        switch properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            true
        default: false
        }
    }
}
