import MartletJSON

/// The types that an option's field may have.
protocol OptionValue: Sendable {
    var optionJSON: JSON { get }
    init?(option: JSON)
}

extension Int: OptionValue {
    var optionJSON: JSON { .integer(Int64(self)) }
    init?(option: JSON) {
        guard let value = option.integer else { return nil }
        self = value
    }
}
extension Double: OptionValue {
    var optionJSON: JSON { .number(self) }
    init?(option: JSON) {
        guard let value = option.double else { return nil }
        self = value
    }
}
extension Bool: OptionValue {
    var optionJSON: JSON { .bool(self) }
    init?(option: JSON) {
        guard let value = option.bool else { return nil }
        self = value
    }
}
extension String: OptionValue {
    var optionJSON: JSON { .string(self) }
    init?(option: JSON) {
        guard let value = option.string else { return nil }
        self = value
    }
}
/// The element types of an option's list.
protocol OptionElement: Sendable {
    static func list(_ option: JSON) -> [Self]?
    static func json(_ list: [Self]) -> JSON
}

extension Array: OptionValue where Element: OptionElement {
    var optionJSON: JSON { Element.json(self) }
    init?(option: JSON) {
        guard let list = Element.list(option) else { return nil }
        self = list
    }
}
extension String: OptionElement {
    /// One, or a list.
    static func list(_ option: JSON) -> [String]? {
        if let one = option.string { return [one] }
        guard let items = option.array, items.allSatisfy({ $0.string != nil }) else { return nil }
        return items.compactMap(\.string)
    }
    static func json(_ list: [String]) -> JSON {
        list.count == 1 ? .string(list[0]) : .array(list.map { .string($0) })
    }
}
extension DataPortion: OptionElement {
    static func list(_ option: JSON) -> [DataPortion]? { all(option) }
}
extension OptionValue where Self: RawRepresentable, RawValue == String {
    var optionJSON: JSON { .string(rawValue) }
    init?(option: JSON) {
        guard let value = option.string.flatMap(Self.init(rawValue:)) else { return nil }
        self = value
    }
}

/// The default of an option.
struct OptionDefault<Value: OptionValue>: Sendable {
    let value: @Sendable (OptionFacts) -> (Value?, String)

    static func value(_ value: Value, _ how: String = "default") -> Self { Self { _ in (value, how) } }
    /// No value, and what that means.
    static func none(_ how: String = "none") -> Self { Self { _ in (nil, how) } }
    /// Derived from other options; nil while these are not known.
    static func from(_ value: @escaping @Sendable (OptionFacts) -> (Value?, String)) -> Self { Self(value: value) }

    var usual: @Sendable (OptionFacts) -> (value: JSON, how: String) {
        { facts in
            let (value, how) = self.value(facts)
            return (value?.optionJSON ?? .null, how)
        }
    }
}

/// The field of an option.
typealias OptionField<Value> = WritableKeyPath<RunOptions, Value> & Sendable

/// Declarations of options: name, field, valid values, meaning, default; and where they apply, `resume`, `shown`,
/// `flags` and `others`.
extension OptionKey {
    /// - Parameter others: names of other programs, with spaces between them.
    static func option<Value: OptionValue>(
        _ name: String, _ field: OptionField<Value>, _ kind: Kind, _ meaning: String,
        resume: ResumeRule = .fixed, shown: Bool = false, flags: [String] = [], off: String? = nil, others: String = "",
        default usual: OptionDefault<Value>
    ) -> Self {
        Self(
            name: name, kind: kind, meaning: meaning, resume: resume, isShown: shown, flags: flags, offFlag: off,
            others: others.split(separator: " ").map(String.init), usual: usual.usual,
            write: { run, json in if let value = Value(option: json) { run[keyPath: field] = value } })
    }

    /// An option whose field is nil without a value.
    static func option<Value: OptionValue>(
        _ name: String, optional field: OptionField<Value?>, _ kind: Kind, _ meaning: String,
        resume: ResumeRule = .fixed, shown: Bool = false, flags: [String] = [], others: String = "",
        default usual: OptionDefault<Value>
    ) -> Self {
        Self(
            name: name, kind: kind, meaning: meaning, resume: resume, isShown: shown, flags: flags, offFlag: nil,
            others: others.split(separator: " ").map(String.init), usual: usual.usual,
            write: { run, json in run[keyPath: field] = Value(option: json) })
    }

    static func integer(
        _ name: String, _ field: OptionField<Int>, _ range: ClosedRange<Int>, _ meaning: String,
        resume: ResumeRule = .fixed, shown: Bool = false, flags: [String] = [], others: String = "",
        default usual: OptionDefault<Int>
    ) -> Self {
        option(
            name, field, .integer(range), meaning, resume: resume, shown: shown, flags: flags, others: others,
            default: usual)
    }

    static func number(
        _ name: String, _ field: OptionField<Double>, _ range: ClosedRange<Double>, _ meaning: String,
        resume: ResumeRule = .fixed, shown: Bool = false, flags: [String] = [], others: String = "",
        default usual: OptionDefault<Double>
    ) -> Self {
        option(
            name, field, .number(range), meaning, resume: resume, shown: shown, flags: flags, others: others,
            default: usual)
    }

    static func flag(
        _ name: String, _ field: OptionField<Bool>, _ meaning: String, resume: ResumeRule = .fixed,
        shown: Bool = false, off: String? = nil, others: String = "", default usual: OptionDefault<Bool>
    ) -> Self {
        option(
            name, field, .flag, meaning, resume: resume, shown: shown, off: off, others: others, default: usual)
    }

    /// One of the cases of an enumeration.
    static func choice<Value: OptionValue & CaseIterable & RawRepresentable<String>>(
        _ name: String, _ field: OptionField<Value>, _ meaning: String, resume: ResumeRule = .fixed,
        shown: Bool = false, flags: [String] = [], others: String = "", default usual: OptionDefault<Value>
    ) -> Self {
        option(
            name, field, .choice(Value.allCases.map(\.rawValue)), meaning, resume: resume, shown: shown, flags: flags,
            others: others, default: usual)
    }
}
