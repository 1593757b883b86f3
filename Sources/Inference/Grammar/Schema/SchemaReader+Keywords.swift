import MartletJSON

/// The keywords of JSON Schema 2020-12, by the types they speak of.
extension SchemaReader {
    /// Keywords that ask for nothing.
    static let annotations: Set<String> = [
        "$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "$vocabulary", "title", "description",
        "default",
        "examples", "example", "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType",
        "contentSchema", "discriminator", "then", "else", "minContains", "maxContains",
    ]

    mutating func read(_ pointer: String) throws(GrammarError) -> [SchemaShape] {
        guard let schema = document[pointer] else { return [] }
        if let bool = schema.bool { return bool ? SchemaShape.anything : [] }
        guard case .object(let keywords) = schema else {
            throw .invalidSchema(pointer: pointer, problem: "a schema is an object or a boolean, not \(schema.kind)")
        }
        guard pointer.utf8.count(where: { $0 == 0x2F }) <= 2 * budget.limits.depth else {
            throw .tooLarge(what: "schemas within schemas", limit: budget.limits.depth)
        }
        var number = NumberShape()
        var string = StringShape()
        var array = ArrayShape()
        var object = ObjectShape()
        var types: Set<String> = ["null", "boolean", "number", "string", "array", "object"]
        var others: [(keyword: String, value: JSON, pointer: String)] = []
        for (keyword, value) in keywords {
            let place = pointer.appending(keyword)
            if Self.annotations.contains(keyword) || keyword.hasPrefix("x-") {
                if keyword == "$id", !pointer.isEmpty {
                    throw .unsupportedKeyword("$id", pointer: place, reason: "a document within the document")
                }
            } else if keyword == "type" {
                types = try readTypes(value, place)
            } else if try read(number: keyword, value, place, &number) {
            } else if try read(string: keyword, value, place, &string) {
            } else if try read(array: keyword, value, place, &array, keywords) {
            } else if try read(object: keyword, value, place, &object) {
            } else {
                others.append((keyword, value, place))
            }
        }
        if let source = try propertySource(keywords, pointer) { object.sources = [source] }
        if types.contains("integer"), !types.contains("number") { number.kind = .integer }
        var shapes: [SchemaShape] = []
        if types.contains("null") { shapes.append(.null) }
        if types.contains("boolean") { shapes.append(.boolean(nil)) }
        if !types.isDisjoint(with: ["number", "integer"]) { shapes.append(.number(number)) }
        if types.contains("string") { shapes.append(.string(string)) }
        if types.contains("array") { shapes.append(.array(array)) }
        if types.contains("object") { shapes.append(.object(object)) }
        for (keyword, value, place) in others.sorted(by: { Self.order($0.keyword) < Self.order($1.keyword) }) {
            if try readUnevaluated(keyword, place, &shapes) { continue }
            let more = try alternatives(keyword, value, place, keywords, pointer)
            shapes = try merged(shapes, more)
        }
        return shapes
    }

    private func readTypes(_ value: JSON, _ pointer: String) throws(GrammarError) -> Set<String> {
        let names = value.string.map { [$0] } ?? value.array?.compactMap(\.string) ?? []
        let known: Set<String> = ["null", "boolean", "number", "integer", "string", "array", "object"]
        guard !names.isEmpty, names.allSatisfy(known.contains), value.array.map({ $0.count == names.count }) ?? true
        else { throw .invalidSchema(pointer: pointer, problem: "expected a type or a list of types") }
        return Set(names)
    }

    // MARK: Values of one type

    private func number(_ value: JSON, _ pointer: String) throws(GrammarError) -> DecimalNumber {
        guard let number = DecimalNumber(value) else {
            throw .invalidSchema(pointer: pointer, problem: "expected a number, not \(value.kind)")
        }
        return number
    }

    func count(_ value: JSON, _ pointer: String) throws(GrammarError) -> Int {
        guard let count = value.integer, count >= 0 else {
            throw .invalidSchema(pointer: pointer, problem: "expected a number of 0 or more")
        }
        return count
    }

    private func read(
        number keyword: String, _ value: JSON, _ pointer: String, _ shape: inout NumberShape
    ) throws(GrammarError) -> Bool {
        switch keyword {
        case "minimum", "exclusiveMinimum":
            let bound = NumberShape.Bound(
                value: try number(value, pointer), isExclusive: keyword == "exclusiveMinimum")
            shape.limit(low: bound, high: nil)
        case "maximum", "exclusiveMaximum":
            let bound = NumberShape.Bound(
                value: try number(value, pointer), isExclusive: keyword == "exclusiveMaximum")
            shape.limit(low: nil, high: bound)
        case "multipleOf":
            let divisor = try number(value, pointer)
            guard !divisor.isNegative, !divisor.isZero else {
                throw .invalidSchema(pointer: pointer, problem: "expected a number above 0")
            }
            shape.divisors.append(divisor)
        default: return false
        }
        return true
    }

    private mutating func read(
        string keyword: String, _ value: JSON, _ pointer: String, _ shape: inout StringShape
    ) throws(GrammarError) -> Bool {
        switch keyword {
        case "minLength": shape.least = try count(value, pointer)
        case "maxLength": shape.most = try count(value, pointer)
        case "pattern":
            guard let text = value.string else {
                throw .invalidSchema(pointer: pointer, problem: "expected an expression, not \(value.kind)")
            }
            shape.languages.append(try expression(text, keyword: "pattern", at: pointer))
        case "format":
            guard let name = value.string else {
                throw .invalidSchema(pointer: pointer, problem: "expected a name, not \(value.kind)")
            }
            guard let text = StringFormat.expressions[name] else {
                throw .unsupportedKeyword("format", pointer: pointer, reason: "the format \"\(name)\" is not known")
            }
            shape.languages.append(try expression(text, keyword: "format", at: pointer, isWhole: true))
        default: return false
        }
        return true
    }

    private func read(
        array keyword: String, _ value: JSON, _ pointer: String, _ shape: inout ArrayShape, _ keywords: JSONObject
    ) throws(GrammarError) -> Bool {
        switch keyword {
        case "items":
            if value.array != nil {
                throw .invalidSchema(
                    pointer: pointer, problem: "expected a schema; a list of schemas is \"prefixItems\" now")
            }
            shape.rest = SchemaConjunction([.schema(pointer)])
            shape.evaluated = Int.max
        case "prefixItems":
            guard let items = value.array, !items.isEmpty else {
                throw .invalidSchema(pointer: pointer, problem: "expected a list of schemas")
            }
            shape.prefix = items.indices.map { SchemaConjunction([.schema(pointer.appending($0))]) }
            shape.evaluated = max(shape.evaluated, items.count)
        case "minItems": shape.least = try count(value, pointer)
        case "maxItems": shape.most = try count(value, pointer)
        case "contains":
            let parent = String(pointer.dropLast("/contains".count))
            shape.evaluatesSome = pointer
            let least = try keywords["minContains"].map { value throws(GrammarError) in
                try count(value, parent.appending("minContains"))
            }
            let most = try keywords["maxContains"].map { value throws(GrammarError) in
                try count(value, parent.appending("maxContains"))
            }
            shape.contained.append(
                .init(
                    items: SchemaConjunction([.schema(pointer)]), least: least ?? 1, most: most, pointer: pointer))
        case "uniqueItems":
            guard let isUnique = value.bool else {
                throw .invalidSchema(pointer: pointer, problem: "expected a boolean, not \(value.kind)")
            }
            if isUnique { shape.unique = pointer }
        default: return false
        }
        return true
    }

    private func read(
        object keyword: String, _ value: JSON, _ pointer: String, _ shape: inout ObjectShape
    ) throws(GrammarError) -> Bool {
        switch keyword {
        case "properties", "patternProperties", "additionalProperties": break  // See `propertySource`.
        case "required": shape.required = try names(value, pointer)
        case "minProperties":
            shape.least = try count(value, pointer)
            shape.leastPointer = pointer
        case "maxProperties": shape.most = try count(value, pointer)
        case "propertyNames": shape.names = SchemaConjunction([.schema(pointer)])
        default: return false
        }
        return true
    }

    func names(_ value: JSON, _ pointer: String) throws(GrammarError) -> [String] {
        let names = value.array?.compactMap(\.string) ?? []
        guard let list = value.array, list.count == names.count else {
            throw .invalidSchema(pointer: pointer, problem: "expected a list of names")
        }
        var seen: Set<[UInt8]> = []
        return names.filter { seen.insert(Array($0.utf8)).inserted }
    }

    private mutating func propertySource(
        _ keywords: JSONObject, _ pointer: String
    ) throws(GrammarError) -> ObjectShape.Source? {
        var source = ObjectShape.Source()
        func members(_ keyword: String) throws(GrammarError) -> JSONObject? {
            guard let value = keywords[keyword] else { return nil }
            guard case .object(let object) = value else {
                throw .invalidSchema(
                    pointer: pointer.appending(keyword), problem: "expected an object of schemas, not \(value.kind)")
            }
            return object
        }
        let properties = try members("properties")
        let patterns = try members("patternProperties")
        guard properties != nil || patterns != nil || keywords["additionalProperties"] != nil else { return nil }
        for (name, _) in properties ?? JSONObject() {
            source.names.append(name)
            source.schemas[name] = .schema(pointer.appending("properties").appending(name))
        }
        let place = pointer.appending("patternProperties")
        for (pattern, _) in patterns ?? JSONObject() {
            let automaton = try expression(pattern, keyword: "patternProperties", at: place.appending(pattern))
            source.patterns.append((automaton, .schema(place.appending(pattern))))
        }
        if keywords["additionalProperties"] != nil {
            source.additional = .schema(pointer.appending("additionalProperties"))
        }
        return source
    }
}
