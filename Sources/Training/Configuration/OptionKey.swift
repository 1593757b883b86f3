import MartletJSON
import MartletSystem

/// One option of a training run, declared once, in the part it belongs to (`Parts/`): its name, valid values, meaning,
/// default, whether it may change on resume, and the typed field it sets. Configuration files, `--set`, flags,
/// `--help`, `martlet help options`, `--print-config`, docs/options.md, errors and the rule of resuming are derived
/// from it.
struct OptionKey: Sendable {
    enum Kind: Sendable {
        case integer(ClosedRange<Int>)
        case number(ClosedRange<Double>)
        case flag
        case choice([String])
        case path
        /// Files or folders.
        case paths
        /// A folder, or several with their weights.
        case folders
        case text
    }
    /// Whether a run may be resumed with another value.
    enum ResumeRule: Sendable {
        /// The weights depend on it.
        case fixed
        /// They do not depend on it: when to evaluate, what to keep.
        case free
        /// The length and speed of the rest of the run, and when it stops early: may change, with a note.
        case told
    }

    /// Its name in files and for `--set`.
    let name: String
    let kind: Kind
    let meaning: String
    let resume: ResumeRule
    /// Shown by `--help` of the commands; the others are flags too, which `--help-hidden` and `martlet help options` show.
    let isShown: Bool
    /// Flags beside the one that has its name.
    let flags: [String]
    /// A flag that turns it off, beside `--no-name`.
    let offFlag: String?
    /// Its names in other programs, for suggestions.
    let others: [String]
    /// Its default, null if that is not known yet, and how it is derived from the options before it.
    let usual: @Sendable (OptionFacts) -> (value: JSON, how: String)
    /// Stores a valid value in its field.
    let write: @Sendable (inout RunOptions, JSON) -> Void
    /// Other spellings of the values of a choice, with underscores.
    var spellings: [String: String] = [:]

    /// With other spellings of the values of a choice.
    func spelled(_ others: [(spelling: String, value: String)]) -> OptionKey {
        var key = self
        for other in others { key.spellings[other.spelling] = other.value }
        return key
    }

    /// Whether it is a path, on which the weights do not depend.
    var isPath: Bool {
        switch kind {
        case .path, .paths, .folders: true
        default: false
        }
    }

    /// Completes "expected …".
    var expected: String {
        switch kind {
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .number(let range): "a number from \(Self.plain(range.lowerBound)) to \(Self.plain(range.upperBound))"
        case .flag: "true or false"
        case .choice(let names): "one of " + names.joined(separator: ", ")
        case .path: "a path"
        case .paths: "a path, or a list of paths"
        case .text: "text"
        case .folders: "a folder, or several with weights above 0, as {\"a\": 1, \"b\": 0.3}"
        }
    }

    static func plain(_ value: Double) -> String {
        Int(whole: value).map { abs(value) <= 1e9 ? String($0) : "\(value)" } ?? "\(value)"
    }

    /// The values of a choice.
    var choices: [String] { if case .choice(let names) = kind { names } else { [] } }

    func accepts(_ value: JSON) -> Bool {
        switch kind {
        case .integer(let range): value.integer.map { range.contains($0) } ?? false
        case .number(let range): value.double.map { range.contains($0) } ?? false
        case .flag: value.bool != nil
        case .choice(let names): value.string.map { names.contains($0) } ?? false
        case .path, .text: value.string.map { !$0.isEmpty } ?? false
        case .paths: [String](option: value).map { !$0.isEmpty && !$0.contains("") } ?? false
        case .folders: DataPortion.all(value) != nil
        }
    }

    /// Parses a value as text for this key; a string if it is not of the key's type.
    func value(_ text: String) -> JSON {
        if ["null", "~", "Null", "NULL"].contains(text) { return .null }
        switch kind {
        case .integer, .number:
            if let whole = Int64(text) { return .integer(whole) }
            // "nan", "inf" and "0x10" are numbers to Swift, not here.
            let digits = Set("0123456789+-.eE")
            return text.allSatisfy { digits.contains($0) }
                ? Double(text).map { .number($0) } ?? .string(text)
                : .string(text)
        case .flag:
            switch text.lowercased() {
            case "true", "yes", "on": return .bool(true)
            case "false", "no", "off": return .bool(false)
            default: return .string(text)
            }
        case .choice(let names):
            // "qwen3-moe" means qwen3_moe.
            func plain(_ name: String) -> String { name.lowercased().replacing("_", with: "-") }
            return .string(
                names.contains(text)
                    ? text
                    : names.first { plain($0) == plain(text) }
                        ?? spellings.first { plain($0.key) == plain(text) }?.value ?? text)
        case .path, .paths, .text, .folders: return .string(text)
        }
    }
}
