import MartletTensor

/// The metadata of a GGUF file, in file order, with getters whose errors name the key.
///
/// `integer("llama.block_count")` throws if the key is missing or has another type; `integerIfPresent` returns nil if
/// it is missing, and still throws for another type: a wrong type is never treated as missing.
public struct GGUFMetadata: Sendable, RandomAccessCollection {
    public typealias Element = (key: String, value: GGUFValue)

    /// The file path, for messages.
    public let path: String
    private var members: [Element] = []
    private var positions: [String: Int] = [:]
    private let file: MappedFile?

    init(path: String, file: MappedFile?) {
        self.path = path
        self.file = file
    }

    /// Empty metadata to be filled and written.
    public init() { self.init(path: "metadata", file: nil) }

    public var startIndex: Int { 0 }
    public var endIndex: Int { members.count }
    public subscript(position: Int) -> Element { members[position] }

    /// A new key is appended; nil removes a key.
    public subscript(key: String) -> GGUFValue? {
        get { positions[key].map { members[$0].value } }
        set {
            switch (positions[key], newValue) {
            case (let position?, let value?): members[position].value = value
            case (nil, let value?): _ = append(key, value)
            case (_?, nil):
                let kept = members.filter { $0.key != key }
                members = []
                positions = [:]
                for member in kept { _ = append(member.key, member.value) }
            case (nil, nil): break
            }
        }
    }

    /// Returns false if the key exists already.
    mutating func append(_ key: String, _ value: GGUFValue) -> Bool {
        guard positions[key] == nil else { return false }
        positions[key] = members.count
        members.append((key, value))
        return true
    }

    public func has(_ key: String) -> Bool { positions[key] != nil }

    private func read<Result>(
        _ key: String, _ expected: String, _ convert: (GGUFValue) -> Result?
    ) throws(FormatError) -> Result? {
        guard let value = self[key] else { return nil }
        if case .array = value { try file?.recheck() }
        guard let result = convert(value) else {
            throw FormatError(
                .malformed, path: path, field: "key \(FormatError.quote(key))",
                "is \(value.typeDescription) (\(value)), expected \(expected)")
        }
        return result
    }

    private func require<Result>(_ key: String, _ value: Result?) throws(FormatError) -> Result {
        guard let value else {
            throw FormatError(.missing, path: path, field: "key \(FormatError.quote(key))", "is missing")
        }
        return value
    }

    public func stringIfPresent(_ key: String) throws(FormatError) -> String? {
        try read(key, "a string", \.string)
    }
    public func integerIfPresent(_ key: String) throws(FormatError) -> Int? {
        try read(key, "an integer below 2^63", \.integer)
    }
    public func doubleIfPresent(_ key: String) throws(FormatError) -> Double? {
        try read(key, "a number", \.double)
    }
    public func boolIfPresent(_ key: String) throws(FormatError) -> Bool? { try read(key, "a bool", \.bool) }
    public func stringsIfPresent(_ key: String) throws(FormatError) -> GGUFStrings? {
        try read(key, "an array of strings") { $0.array?.strings() }
    }
    public func integersIfPresent(_ key: String) throws(FormatError) -> [Int]? {
        try read(key, "an array of integers") { $0.array?.integers() }
    }
    public func floatsIfPresent(_ key: String) throws(FormatError) -> [Float]? {
        try read(key, "an array of floats") { $0.array?.realNumbers() }
    }
    public func boolsIfPresent(_ key: String) throws(FormatError) -> [Bool]? {
        try read(key, "an array of bools") { $0.array?.bools() }
    }

    public func string(_ key: String) throws(FormatError) -> String { try require(key, stringIfPresent(key)) }
    public func integer(_ key: String) throws(FormatError) -> Int { try require(key, integerIfPresent(key)) }
    public func double(_ key: String) throws(FormatError) -> Double { try require(key, doubleIfPresent(key)) }
    public func bool(_ key: String) throws(FormatError) -> Bool { try require(key, boolIfPresent(key)) }
    public func strings(_ key: String) throws(FormatError) -> GGUFStrings { try require(key, stringsIfPresent(key)) }
    public func integers(_ key: String) throws(FormatError) -> [Int] { try require(key, integersIfPresent(key)) }
    public func floats(_ key: String) throws(FormatError) -> [Float] { try require(key, floatsIfPresent(key)) }
    public func bools(_ key: String) throws(FormatError) -> [Bool] { try require(key, boolsIfPresent(key)) }
}
