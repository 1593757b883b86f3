import MartletJSON

/// Why a model cannot be built from what its folder or file says.
public enum ModelError: Error, Sendable, Equatable, CustomStringConvertible {
    case missingKey(file: String, key: String, expected: String)
    case wrongValue(file: String, key: String, found: String, expected: String)
    case unsupportedArchitecture(file: String, name: String, supported: [String])
    case missingTensors(file: String, names: [String])
    case wrongShapes(file: String, [ShapeMismatch])
    case unsupported(file: String, reason: String)
    case notAModel(path: String, reason: String)
    case vocabularyMismatch(model: Int, tokenizer: Int)
    case contextExceeded(tokens: Int, limit: Int)
    case tokenOutOfRange(token: Int, vocabularySize: Int)
    /// A file that the model computes from is not any more what was loaded.
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

    public var description: String {
        switch self {
        case .missingKey(let file, let key, let expected):
            "\(file): the key \"\(key)\" is missing; expected \(expected)"
        case .wrongValue(let file, let key, let found, let expected):
            "\(file): \"\(key)\" is \(found); expected \(expected)"
        case .unsupportedArchitecture(let file, let name, let supported):
            "\(file): the architecture \"\(name)\" is not supported; supported: \(supported.joined(separator: ", "))"
        case .missingTensors(let file, let names):
            "\(file): \(names.count) tensor\(names.count == 1 ? " is" : "s are") missing: \(names.joined(separator: ", "))"
        case .wrongShapes(let file, let mismatches):
            "\(file): "
                + mismatches.map { "\($0.name) has shape \($0.found), expected \($0.expected)" }.joined(separator: "; ")
        case .unsupported(let file, let reason): "\(file): \(reason)"
        case .notAModel(let path, let reason): "\(path): \(reason)"
        case .vocabularyMismatch(let model, let tokenizer):
            "the tokenizer has \(tokenizer) tokens but the model only \(model): they do not belong together"
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
    public let json: JSON

    public init(file: String, json: JSON) {
        self.file = file
        self.json = json
    }

    /// The first of `keys` that is there and not null.
    private func find(_ keys: [String]) -> (key: String, value: JSON)? {
        for key in keys { if let value = json[key], !value.isNull { return (key, value) } }
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

    /// An integer in `range`; a size that a hostile file could blow up is bounded here, once.
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

    /// The object under the first of `keys` that is there and not null, or nil.
    public func child(_ keys: String...) throws(ModelError) -> ConfigurationReader? {
        guard let (key, value) = find(keys) else { return nil }
        guard value.object != nil else {
            throw .wrongValue(file: file, key: key, found: value.kind, expected: "an object")
        }
        return ConfigurationReader(file: "\(file) (\(key))", json: value)
    }
}
