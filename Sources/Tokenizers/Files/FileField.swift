import MartletJSON
import MartletSystem

/// A value of a JSON file together with its path, for error messages.
struct FileField {
    let file: String
    let path: String
    let value: JSON

    init(_ value: JSON, file: String, path: String = "") {
        self.value = value
        self.file = file
        self.path = path
    }

    func malformed(_ reason: String) -> TokenizerError {
        .malformed(file: file, field: path.isEmpty ? "the whole file" : path, reason: reason)
    }

    func unsupported(_ found: String, known: [String]) -> TokenizerError {
        .unsupported(file: file, field: path, found: found, known: known)
    }

    private func mismatch(_ expected: String) -> TokenizerError {
        malformed("expected \(expected), found \(value.kind)")
    }

    /// A member; nil when it is missing or null.
    subscript(key: String) -> FileField? {
        guard let member = value[key], !member.isNull else { return nil }
        return FileField(member, file: file, path: path.isEmpty ? key : "\(path).\(key)")
    }

    func required(_ key: String) throws(TokenizerError) -> FileField {
        guard let member = self[key] else {
            guard value.object != nil else { throw mismatch("object") }
            throw malformed("\(key.quoted()) is missing")
        }
        return member
    }

    func element(_ index: Int, _ value: JSON) -> FileField { FileField(value, file: file, path: "\(path)[\(index)]") }

    func elements() throws(TokenizerError) -> [FileField] {
        guard let values = value.array else { throw mismatch("array") }
        return values.enumerated().map { element($0.offset, $0.element) }
    }

    func object() throws(TokenizerError) -> JSONObject {
        guard let object = value.object else { throw mismatch("object") }
        return object
    }

    func string() throws(TokenizerError) -> String {
        guard let string = value.string else { throw mismatch("string") }
        return string
    }

    func bool() throws(TokenizerError) -> Bool {
        guard let bool = value.bool else { throw mismatch("boolean") }
        return bool
    }

    func double() throws(TokenizerError) -> Double {
        guard let double = value.double else { throw mismatch("number") }
        return double
    }

    /// An integer from 0 to `limit`.
    func count(limit: Int = 1 << 30) throws(TokenizerError) -> Int {
        guard let integer = value.integer else { throw mismatch("integer") }
        guard integer >= 0, integer <= limit else { throw malformed("\(integer) is not between 0 and \(limit)") }
        return integer
    }

    func id() throws(TokenizerError) -> Int32 { Int32(try count(limit: TokenList.largestID)) }

    func string(_ key: String, or other: String) throws(TokenizerError) -> String { try self[key]?.string() ?? other }
    func bool(_ key: String, or other: Bool) throws(TokenizerError) -> Bool { try self[key]?.bool() ?? other }

    /// The type of a pipeline component: its member `type`.
    func type() throws(TokenizerError) -> String { try required("type").string() }
}

/// Tokens collected by id, with limits on untrusted ids.
struct TokenList {
    static let largestID = 1 << 24

    private(set) var tokens: [[UInt8]?] = []
    private(set) var count = 0

    /// Sets the token of an id.
    /// - Returns: an error message, or nil.
    mutating func insert(_ token: [UInt8], at id: Int32) -> String? {
        let id = Int(id)
        guard id >= 0, id <= Self.largestID else { return "id \(id) is not between 0 and \(Self.largestID)" }
        if id >= tokens.count { tokens.append(contentsOf: repeatElement(nil, count: id + 1 - tokens.count)) }
        if let other = tokens[id], other != token {
            return "id \(id) is both \(other.quoted()) and \(token.quoted())"
        }
        if tokens[id] == nil { count += 1 }
        tokens[id] = token
        return nil
    }
}
