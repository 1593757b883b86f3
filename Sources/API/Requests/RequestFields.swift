import MartletJSON
import MartletSystem

/// Reads the members of a request object by name and type, and records unread members of it and of nested objects.
///
/// A null member counts as absent, as OpenAI's clients send it. Errors name the member by its path from the request's
/// root: `messages[2].content[0].type`.
struct FieldReader {
    let object: JSONObject
    /// The object's path; empty at the root.
    let path: String
    /// Shared by the whole request.
    private let ledger: FieldLedger
    private let number: Int
    private let notes = FieldNotes.current

    /// - Parameter parent: the enclosing object; unread members are recorded in its request.
    init(_ json: JSON, path: String, in parent: FieldReader? = nil) throws(APIError) {
        guard let object = json.object else {
            guard path.isEmpty else { throw .invalid(path, "must be an object, not \(json.kind)") }
            throw APIError("The body must be an object, not \(json.kind).")
        }
        self.init(object, path: path, in: parent)
    }

    init(_ object: JSONObject, path: String = "", in parent: FieldReader? = nil) {
        self.object = object
        self.path = path
        ledger = parent?.ledger ?? FieldLedger()
        number = ledger.add(object, path: path)
    }

    func path(of key: String) -> String { path.isEmpty ? key : path + "." + key }

    func error(_ key: String, _ problem: String) -> APIError { .invalid(path(of: key), problem) }

    /// Unread members of this object and of others opened in the same request.
    var unread: [String] { ledger.unread }

    mutating func json(_ key: String) -> JSON? {
        notes?.add(path(of: key))
        return known(key)
    }

    private mutating func known(_ key: String) -> JSON? {
        ledger.read(key, of: number)
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    /// Marks members as known but without effect.
    mutating func ignore(_ keys: String...) { for key in keys { ledger.read(key, of: number) } }

    /// Throws for a member, unless it is absent or has no effect.
    mutating func refuse(
        _ key: String, unless isHarmless: (JSON) -> Bool = { _ in false }, _ problem: String = "is not supported"
    ) throws(APIError) {
        guard let value = known(key), !isHarmless(value) else { return }
        throw .unsupported(path(of: key), problem)
    }

    private func mismatch(_ key: String, _ expected: String, _ value: JSON) -> APIError {
        error(key, "must be \(expected), not \(value.kind)")
    }

    /// - Parameter longest: in Unicode scalars, as JSON Schema counts.
    mutating func string(_ key: String, longest: Int? = nil) throws(APIError) -> String? {
        guard let value = json(key) else { return nil }
        guard let text = value.string else { throw mismatch(key, "a string", value) }
        if let longest { try Self.check(text, longest, path(of: key)) }
        return text
    }

    mutating func bool(_ key: String) throws(APIError) -> Bool? {
        guard let value = json(key) else { return nil }
        guard let flag = value.bool else { throw mismatch(key, "a boolean", value) }
        return flag
    }

    mutating func integer(_ key: String, _ range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = json(key) else { return nil }
        return try Self.integer(value, range, path(of: key))
    }

    mutating func number(_ key: String, _ range: ClosedRange<Double>) throws(APIError) -> Float? {
        guard let value = json(key) else { return nil }
        guard let number = value.double else { throw mismatch(key, "a number", value) }
        guard range.contains(number) else { throw error(key, "is \(number); it must be \(Self.words(range))") }
        return Float(number)
    }

    mutating func array(_ key: String, most: Int) throws(APIError) -> [JSON]? {
        guard let value = json(key) else { return nil }
        guard let items = value.array else { throw mismatch(key, "an array", value) }
        guard items.count <= most else { throw error(key, "has \(items.count) items; at most \(most) are allowed") }
        return items
    }

    mutating func object(_ key: String) throws(APIError) -> JSONObject? {
        guard let value = json(key) else { return nil }
        guard let members = value.object else { throw mismatch(key, "an object", value) }
        return members
    }

    /// The reader for a nested object.
    mutating func fields(_ key: String) throws(APIError) -> FieldReader? {
        try object(key).map { FieldReader($0, path: path(of: key), in: self) }
    }

    mutating func strings(_ key: String, most: Int, longest: Int? = nil) throws(APIError) -> [String]? {
        guard let items = try array(key, most: most) else { return nil }
        var texts: [String] = []
        for (index, item) in items.enumerated() {
            let place = "\(path(of: key))[\(index)]"
            guard let text = item.string else { throw .invalid(place, "must be a string, not \(item.kind)") }
            if let longest { try Self.check(text, longest, place) }
            texts.append(text)
        }
        return texts
    }

    mutating func tokens(_ key: String, most: Int) throws(APIError) -> [Int32]? {
        guard let items = try array(key, most: most) else { return nil }
        return try Self.tokens(items, path(of: key))
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, _ type: Choice.Type
    ) throws(APIError) -> Choice? where Choice.RawValue == String {
        guard let text = try string(key) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let names = Choice.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
            throw error(key, "is '\(text.shown(limit: 80))'; it must be one of \(names)")
        }
        return choice
    }

    func required<Value>(_ key: String, _ value: Value?) throws(APIError) -> Value {
        guard let value else {
            throw APIError("Missing required parameter: '\(path(of: key))'.", parameter: path(of: key))
        }
        return value
    }

    // MARK: - Values on their own

    static func check(_ text: String, _ longest: Int, _ place: String) throws(APIError) {
        if text.utf8.count > longest, text.unicodeScalars.count > longest {
            throw .invalid(place, "is longer than \(longest) characters")
        }
    }

    static func checkBytes(_ text: String, _ most: Int, _ place: String) throws(APIError) {
        guard text.utf8.count <= most else {
            throw .invalid(place, "has \(text.utf8.count) bytes; at most \(most) are read", code: "text_too_long")
        }
    }

    static func integer(_ value: JSON, _ range: ClosedRange<Int>, _ place: String) throws(APIError) -> Int {
        guard let double = value.double else { throw .invalid(place, "must be an integer, not \(value.kind)") }
        guard let integer = value.integer else {
            if abs(double) < 9e15 { throw .invalid(place, "is \(double); it must be an integer") }
            throw .invalid(place, "is \(double); it must be \(words(range, isTooLarge: double > 0))")
        }
        guard range.contains(integer) else { throw .invalid(place, "is \(integer); it must be \(words(range))") }
        return integer
    }

    static func tokens(_ items: [JSON], _ place: String) throws(APIError) -> [Int32] {
        var tokens: [Int32] = []
        tokens.reserveCapacity(items.count)
        for (index, item) in items.enumerated() {
            // Building the path costs more than parsing the token.
            if case .integer(let value) = item, let token = Int32(exactly: value), token >= 0 {
                tokens.append(token)
            } else {
                tokens.append(Int32(try integer(item, 0...Int(Int32.max), "\(place)[\(index)]")))
            }
        }
        return tokens
    }

    /// - Parameter isTooLarge: it is for a value above the range.
    private static func words<Bound>(_ range: ClosedRange<Bound>, isTooLarge: Bool = false) -> String {
        let isOpen = (range.upperBound as? Int) == .max && !isTooLarge
        return isOpen ? "\(range.lowerBound) or more" : "from \(range.lowerBound) to \(range.upperBound)"
    }
}

extension FieldReader {
    /// Reads the body of a request, which must be an object.
    static func body(_ bytes: some Sequence<UInt8>, _ limits: RequestLimits) throws(APIError) -> FieldReader {
        var json = JSONLimits()
        json.depth = limits.depth
        json.replacesLoneSurrogates = true
        json.valueCount = limits.jsonValues
        json.endsWithTask = true
        let value: JSON
        do throws(JSONError) {
            value = try JSON(parsing: bytes, limits: json)
        } catch {
            if Task.isCancelled { throw .clientLeft }
            if error.exceedsLimit {
                throw APIError(
                    status: 413, "The body has \(error.reason): send it as several requests.", code: "request_too_large"
                )
            }
            throw APIError("The body is not valid JSON: \(error.reason) (byte \(error.offset)).", code: "invalid_json")
        }
        return try FieldReader(value, path: "")
    }
}
