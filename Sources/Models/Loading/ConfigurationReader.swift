import MartletJSON
import MartletSystem
import Synchronization

/// Why a model cannot be built from its folder or file.
public enum ModelError: Error, Sendable, Equatable, CustomStringConvertible {
    case missingKey(file: String, key: String, expected: String)
    case wrongValue(file: String, key: String, found: String, expected: String)
    case unsupportedArchitecture(file: String, name: String, supported: [String])
    case missingTensors(file: String, names: [String])
    case wrongShapes(file: String, [ShapeMismatch])
    case unsupported(file: String, reason: String)
    case notAModel(path: String, reason: String)
    /// The model is of another kind than the operation needs.
    case wrongKind(path: String, kind: String, wanted: String)
    case vocabularyMismatch(model: Int, tokenizer: Int)
    case contextExceeded(tokens: Int, limit: Int)
    case tokenOutOfRange(token: Int, vocabularySize: Int)
    /// A file that the model reads its weights from has changed since it was loaded.
    case fileChanged(path: String, reason: String)

    public struct ShapeMismatch: Sendable, Equatable {
        public var name: String
        public var found: [Int]
        public var expected: [Int]

        package init(name: String, found: [Int], expected: [Int]) {
            self.name = name
            self.found = found
            self.expected = expected
        }
    }

    /// Names and values from files are shown with their control characters escaped.
    public var description: String { sentence.printable }

    /// The first eight of a list, and the number of the others: a file may lack as many tensors as its configuration
    /// claims.
    private static func some(_ items: [String], separator: String) -> String {
        let rest = items.count > 8 ? "\(separator)and \(items.count - 8) more" : ""
        return items.prefix(8).joined(separator: separator) + rest
    }

    /// The known name that an unknown one is made of, or that shares its longest beginning, of three letters or more: what
    /// ends a name says more than what begins it ("falcon_mamba" is a Mamba), and a longer name more than a shorter one. A
    /// name that continues the unknown one comes first.
    static func relative(of name: String, among known: [String]) -> String? {
        let name = name.lowercased()
        let longer = known.filter { name.count >= 3 && $0.lowercased().hasPrefix(name) }
        if let shortest = longer.min(by: { $0.count < $1.count }) { return shortest }
        func longest(_ found: [String]) -> String? { found.max { $0.count < $1.count } }
        let parts = known.filter { $0.count >= 3 && name.contains($0.lowercased()) }
        if let last = longest(parts.filter { name.hasSuffix($0.lowercased()) }) ?? longest(parts) { return last }
        func shared(_ other: String) -> Int { zip(name, other.lowercased()).prefix { $0 == $1 }.count }
        let best = known.max { (shared($0), -$0.count) < (shared($1), -$1.count) }
        return best.flatMap { shared($0) >= 3 ? $0 : nil }
    }

    private var sentence: String {
        switch self {
        case .missingKey(let file, let key, let expected):
            "\(file): the key \"\(key)\" is missing; expected \(expected)"
        case .wrongValue(let file, let key, let found, let expected):
            "\(file): \"\(key)\" is \(found); expected \(expected)"
        case .unsupportedArchitecture(let file, let name, let supported):
            "\(file): the architecture \"\(name)\" is not supported"
                + (Self.relative(of: name, among: supported).map { "; its nearest relative that is: \"\($0)\"" } ?? "")
                + "; supported: \(supported.joined(separator: ", "))"
        case .missingTensors(let file, let names):
            "\(file): \(names.count) tensor\(names.count == 1 ? " is" : "s are") missing: "
                + Self.some(names, separator: ", ")
        case .wrongShapes(let file, let mismatches):
            "\(file): "
                + Self.some(
                    mismatches.map { "\($0.name) has shape \($0.found), expected \($0.expected)" }, separator: "; ")
        case .unsupported(let file, let reason): "\(file): \(reason)"
        case .wrongKind(let path, let kind, let wanted): "\(path) is \(kind), not \(wanted)"
        case .notAModel(let path, let reason): "\(path): \(reason)"
        case .vocabularyMismatch(let model, let tokenizer):
            "the tokenizer has \(tokenizer) tokens but the model only \(model): the tokenizer belongs to another model"
        case .contextExceeded(let tokens, let limit):
            "\(tokens) tokens do not fit in the context of \(limit) tokens"
        case .fileChanged(let path, let reason): "\(path): \(reason); load the model again"
        case .tokenOutOfRange(let token, let size): "token \(token) is outside the vocabulary of \(size)"
        }
    }
}

/// Typed access to `config.json`, with errors that name the file and the key.
public struct ConfigurationReader: Sendable {
    public let file: String
    public private(set) var json: JSON
    /// Values of missing keys: published files omit values that equal the defaults of their family.
    private var defaults: JSONObject = [:]
    /// The keys that were read, so that unread ones can be reported.
    private var record: KeyRecord?
    /// The prefix of the keys of a nested object: "rope_scaling.".
    private var prefix = ""

    public init(file: String, json: JSON) {
        self.file = file
        self.json = json
    }

    /// The same configuration with defaults for missing keys.
    func completed(by defaults: JSONObject) -> Self {
        var result = self
        result.defaults = defaults
        return result
    }

    /// The same configuration; the keys that are read are recorded in `record`.
    func recorded(in record: KeyRecord) -> Self {
        var result = self
        result.record = record
        return result
    }

    /// The same configuration with another value of a key.
    func replacing(_ key: String, by value: JSON) -> Self {
        var result = self
        var members = json.object ?? [:]
        members[key] = value
        result.json = .object(members)
        return result
    }

    /// The first of `keys` that exists and is not null. A key with the value null does not get its default.
    private func find(_ keys: [String]) -> (key: String, value: JSON)? {
        record?.add(keys.map { prefix + $0 })
        for key in keys { if let value = json[key], !value.isNull { return (key, value) } }
        guard keys.allSatisfy({ json[$0] == nil }) else { return nil }
        for key in keys { if let value = defaults[key], !value.isNull { return (key, value) } }
        return nil
    }

    private func read<Value>(_ keys: [String], _ expected: String, _ convert: (JSON) -> Value?) throws(ModelError)
        -> Value
    {
        guard let (key, value) = find(keys) else {
            throw .missingKey(file: file, key: keys[0], expected: expected)
        }
        guard let converted = convert(value) else {
            throw .wrongValue(file: file, key: key, found: String(value.text().prefix(60)), expected: expected)
        }
        return converted
    }

    /// An integer in `range`: sizes from an untrusted file are bounded here.
    public func integer(_ keys: String..., in range: ClosedRange<Int> = 1...(1 << 24), default fallback: Int? = nil)
        throws(ModelError) -> Int
    {
        if let fallback, find(keys) == nil { return fallback }
        return try read(keys, "an integer in \(range.lowerBound)…\(range.upperBound)") {
            $0.integer.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    public func number(_ keys: String..., default fallback: Double? = nil) throws(ModelError) -> Double {
        if let fallback, find(keys) == nil { return fallback }
        return try read(keys, "a number") { $0.double }
    }

    public func optionalNumber(_ keys: String...) throws(ModelError) -> Double? {
        guard find(keys) != nil else { return nil }
        return try read(keys, "a number or null") { $0.double }
    }

    public func optionalInteger(_ keys: String..., in range: ClosedRange<Int> = 1...(1 << 24)) throws(ModelError)
        -> Int?
    {
        guard find(keys) != nil else { return nil }
        return try read(keys, "an integer in \(range.lowerBound)…\(range.upperBound), or null") {
            $0.integer.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    public func flag(_ keys: String..., default fallback: Bool) throws(ModelError) -> Bool {
        guard find(keys) != nil else { return fallback }
        return try read(keys, "true or false") { $0.bool }
    }

    public func string(_ keys: String..., default fallback: String? = nil) throws(ModelError) -> String {
        if let fallback, find(keys) == nil { return fallback }
        return try read(keys, "a string") { $0.string }
    }

    public func numbers(_ key: String, count: Int) throws(ModelError) -> [Double] {
        try read([key], "\(count) numbers") { value in
            guard let array = value.array, array.count == count else { return nil }
            let numbers = array.compactMap(\.double)
            return numbers.count == count ? numbers : nil
        }
    }

    public func optionalStrings(_ key: String) throws(ModelError) -> [String]? {
        guard find([key]) != nil else { return nil }
        return try read([key], "a list of strings") { value in
            value.array.flatMap { array in
                let strings = array.compactMap(\.string)
                return strings.count == array.count ? strings : nil
            }
        }
    }

    /// A list of anything, or nil.
    public func list(_ key: String) throws(ModelError) -> [JSON]? {
        guard find([key]) != nil else { return nil }
        return try read([key], "a list") { $0.array }
    }

    /// The object under the first of `keys` that exists and is not null, or nil.
    public func child(_ keys: String...) throws(ModelError) -> ConfigurationReader? {
        guard let (key, value) = find(keys) else { return nil }
        guard value.object != nil else {
            throw .wrongValue(file: file, key: key, found: value.kind, expected: "an object")
        }
        var child = ConfigurationReader(file: "\(file) (\(key))", json: value)
        child.record = record
        child.prefix = prefix + key + "."
        return child
    }

    /// Whether the file itself contains the key, even with the value null.
    func says(_ key: String) -> Bool { json[key] != nil }
}

/// The keys of a configuration that were read.
final class KeyRecord: Sendable {
    private let keys = Mutex<Set<String>>([])

    func add(_ new: [String]) { keys.withLock { $0.formUnion(new) } }

    /// The members of a configuration, and of its nested objects that were opened, that were not read.
    func unread(in json: JSON, prefix: String = "") -> [(key: String, value: JSON)] {
        let keys = keys.withLock { $0 }
        var result: [(key: String, value: JSON)] = []
        for (key, value) in json.object ?? [:] {
            let path = prefix + key
            if !keys.contains(path) {
                result.append((path, value))
            } else if value.object != nil, keys.contains(where: { $0.hasPrefix(path + ".") }) {
                result += unread(in: value, prefix: path + ".")
            }
        }
        return result
    }
}
