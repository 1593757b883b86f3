import MartletJSON

/// The keywords of JSON Schema 2020-12, by the type they constrain.
extension SchemaReader {
    /// Assertion keywords. All others are annotations without a constraint (2020-12, Core, section 6.5): `title`,
    /// `nullable`, `propertyOrdering`, `errorMessage`, `x-…`. `then`, `else`, `minContains`, `maxContains` and
    /// `additionalItems` are read with the keyword they belong to.
    private static let assertions: Set<String> = [
        "type", "enum", "const", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
        "minLength", "maxLength", "pattern", "format", "items", "prefixItems", "minItems", "maxItems", "uniqueItems",
        "contains", "properties", "patternProperties", "additionalProperties", "required", "minProperties",
        "maxProperties", "propertyNames", "dependentRequired", "dependentSchemas", "dependencies", "$ref",
        "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf", "not", "if", "unevaluatedProperties",
        "unevaluatedItems",
    ]

    /// Whether a keyword constrains nothing.
    func isAnnotation(_ keyword: String, _ value: JSON) -> Bool {
        guard Self.assertions.contains(keyword) else { return true }
        // Undefined formats are annotations: "int32", "password".
        return keyword == "format" && value.string.map { !StringFormat.isDefined($0) } ?? false
    }

    /// An upper count from this value on is no limit, and a lower count cannot be reached: it would take billions of
    /// characters. Schema generators write it for "any".
    static let unreachableCount = Int(Int32.max)

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
        // The pointers of nested schemas begin with this one's bytes.
        try budget.spend((pointer.utf8.count / 16 + 1) * (keywords.count + 1))
        let readsOnlyReference = document.draft.readsOnlyReference(keywords)
        for (keyword, value) in keywords {
            if readsOnlyReference, keyword != "$ref" { continue }
            let place = pointer.appending(keyword)
            if isAnnotation(keyword, value) {
                if keyword == "$id", !pointer.isEmpty, !document.isPlainName(value) {
                    throw .unsupportedKeyword("$id", pointer: place, reason: "a document within the document")
                }
            } else if keyword == "type" {
                types = try readTypes(value, place)
            } else if try read(number: keyword, value, place, &number, keywords) {
            } else if try read(string: keyword, value, place, &string) {
            } else if try read(array: keyword, value, place, &array, keywords) {
            } else if try read(object: keyword, value, place, &object) {
            } else {
                others.append((keyword, value, place))
            }
        }
        if !readsOnlyReference, let source = try propertySource(keywords, pointer) { object.sources = [source] }
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

    /// A count from 0 to `unreachableCount`, which represents all larger values; so adding one cannot overflow.
    func count(_ value: JSON, _ pointer: String) throws(GrammarError) -> Int {
        guard let number = DecimalNumber(value), number.isInteger, !number.isNegative else {
            throw .invalidSchema(pointer: pointer, problem: "expected a whole number of 0 or more")
        }
        return min(value.integer ?? Self.unreachableCount, Self.unreachableCount)
    }

    /// An upper limit; nil if no reply can reach it.
    private func most(_ value: JSON, _ pointer: String) throws(GrammarError) -> Int? {
        let count = try count(value, pointer)
        return count < Self.unreachableCount ? count : nil
    }

    /// The lower or upper bound of a keyword; nil for a boolean of draft-04, which qualifies its neighbour.
    func bound(
        _ keyword: String, _ value: JSON, _ pointer: String, _ keywords: JSONObject
    ) throws(GrammarError) -> NumberShape.Bound? {
        let isNamedExclusive = keyword.hasPrefix("exclusive")
        if isNamedExclusive, value.bool != nil {
            guard document.draft == .draft4 else {
                throw .invalidSchema(
                    pointer: pointer,
                    problem: "expected a number; a boolean is draft-04's, which \"$schema\" would have to name")
            }
            return nil
        }
        return NumberShape.Bound(
            value: try number(value, pointer),
            isExclusive: isNamedExclusive || document.draft.isExclusive(keyword, beside: keywords))
    }

    private func read(
        number keyword: String, _ value: JSON, _ pointer: String, _ shape: inout NumberShape, _ keywords: JSONObject
    ) throws(GrammarError) -> Bool {
        switch keyword {
        case "minimum", "exclusiveMinimum":
            shape.limit(low: try bound(keyword, value, pointer, keywords), high: nil)
        case "maximum", "exclusiveMaximum":
            shape.limit(low: nil, high: try bound(keyword, value, pointer, keywords))
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
        case "maxLength": shape.most = try most(value, pointer)
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
                throw .unsupportedKeyword(
                    "format", pointer: pointer, reason: "there is no expression for the format \"\(name)\"")
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
            if let items = value.array { return try read(itemList: items, pointer, &shape, keywords) }
            shape.rest = SchemaConjunction([.schema(pointer)])
            shape.evaluated = Int.max
        case "prefixItems":
            guard let items = value.array, !items.isEmpty else {
                throw .invalidSchema(pointer: pointer, problem: "expected a list of schemas")
            }
            shape.prefix = items.indices.map { SchemaConjunction([.schema(pointer.appending($0))]) }
            shape.evaluated = max(shape.evaluated, items.count)
        case "minItems": shape.least = try count(value, pointer)
        case "maxItems": shape.most = try most(value, pointer)
        case "contains":
            let parent = String(pointer.dropLast("/contains".count))
            shape.evaluatesSome = pointer
            let least = try keywords["minContains"].map { value throws(GrammarError) in
                try count(value, parent.appending("minContains"))
            }
            var highest: Int?
            if let value = keywords["maxContains"] { highest = try most(value, parent.appending("maxContains")) }
            shape.contained.append(
                .init(
                    items: SchemaConjunction([.schema(pointer)]), least: least ?? 1, most: highest, pointer: pointer))
        case "uniqueItems":
            guard let isUnique = value.bool else {
                throw .invalidSchema(pointer: pointer, problem: "expected a boolean, not \(value.kind)")
            }
            if isUnique { shape.unique = pointer }
        default: return false
        }
        return true
    }

    /// `items` as a list, with `additionalItems` for the items after it.
    private func read(
        itemList items: [JSON], _ pointer: String, _ shape: inout ArrayShape, _ keywords: JSONObject
    ) throws(GrammarError) -> Bool {
        guard document.draft.hasItemLists else {
            throw .invalidSchema(
                pointer: pointer,
                problem: "expected a schema; a list is \"prefixItems\" in 2020-12, and \"items\" only where "
                    + "\"$schema\" names an earlier version")
        }
        shape.prefix = items.indices.map { SchemaConjunction([.schema(pointer.appending($0))]) }
        shape.evaluated = max(shape.evaluated, items.count)
        if keywords["additionalItems"] != nil {
            let parent = String(pointer.dropLast("/items".count))
            shape.rest = SchemaConjunction([.schema(parent.appending("additionalItems"))])
            shape.evaluated = Int.max
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
        case "maxProperties": shape.most = try most(value, pointer)
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
        try budget.spend((pointer.utf8.count / 16 + 1) * ((properties?.count ?? 0) + (patterns?.count ?? 0)))
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
