import MartletJSON

/// The negation of a schema: the values that violate one of its keywords.
extension SchemaReader {
    mutating func readNegated(_ pointer: String) throws(GrammarError) -> [SchemaShape] {
        guard let schema = document[pointer] else { return SchemaShape.anything }
        if let bool = schema.bool { return bool ? [] : SchemaShape.anything }
        // An invalid schema is also invalid when negated.
        _ = try shapes(.schema(pointer))
        guard case .object(let keywords) = schema else { return [] }
        var result: [SchemaShape] = []
        let readsOnlyReference = document.draft.readsOnlyReference(keywords)
        for (keyword, value) in keywords where !isAnnotation(keyword, value) {
            if readsOnlyReference, keyword != "$ref" { continue }
            result += try negated(keyword, value, pointer, keywords)
            try checkAlternatives(result.count)
        }
        return result
    }

    private mutating func negated(
        _ keyword: String, _ value: JSON, _ parent: String, _ keywords: JSONObject
    ) throws(GrammarError) -> [SchemaShape] {
        let pointer = parent.appending(keyword)
        var number = NumberShape()
        var string = StringShape()
        var array = ArrayShape()
        var object = ObjectShape()
        switch keyword {
        case "type": return negatedTypes(Set(value.string.map { [$0] } ?? value.array?.compactMap(\.string) ?? []))
        case "const": return try negatedValues([value], pointer)
        case "enum": return try negatedValues(value.array ?? [], pointer)
        case "minimum", "exclusiveMinimum":
            guard let bound = try bound(keyword, value, pointer, keywords) else { return [] }
            number.high = .init(value: bound.value, isExclusive: !bound.isExclusive)
            return [.number(number)]
        case "maximum", "exclusiveMaximum":
            guard let bound = try bound(keyword, value, pointer, keywords) else { return [] }
            number.low = .init(value: bound.value, isExclusive: !bound.isExclusive)
            return [.number(number)]
        case "minLength":
            let least = try count(value, pointer)
            if least == 0 { return [] }
            string.most = least - 1
            return [.string(string)]
        case "maxLength":
            // Counts are limited, so adding one cannot overflow.
            string.least = try count(value, pointer) + 1
            return [.string(string)]
        case "pattern":
            string.excluded = [try expression(value.string ?? "", keyword: "not", at: pointer)]
            return [.string(string)]
        case "minItems":
            let least = try count(value, pointer)
            if least == 0 { return [] }
            array.most = least - 1
            return [.array(array)]
        case "maxItems":
            array.least = try count(value, pointer) + 1
            return [.array(array)]
        case "items" where keywords["prefixItems"] == nil && value.array == nil:
            array.contained = [
                .init(items: SchemaConjunction([.not(pointer)]), least: 1, most: nil, pointer: pointer)
            ]
            return [.array(array)]
        case "contains" where keywords["minContains"] == nil && keywords["maxContains"] == nil:
            array.rest = SchemaConjunction([.not(pointer)])
            return [.array(array)]
        case "minProperties":
            let least = try count(value, pointer)
            if least == 0 { return [] }
            object.most = least - 1
            return [.object(object)]
        case "maxProperties":
            object.least = try count(value, pointer) + 1
            object.leastPointer = pointer
            return [.object(object)]
        case "required":
            return try names(value, pointer).map { name in
                var object = ObjectShape()
                object.forbidden = [name]
                return .object(object)
            }
        case "properties":
            try budget.spend((pointer.utf8.count / 16 + 1) * (value.object?.count ?? 0))
            return (value.object?.keys ?? []).map { name in
                var object = ObjectShape()
                object.required = [name]
                object.sources = [.init(names: [name], schemas: [name: .not(pointer.appending(name))])]
                return .object(object)
            }
        case "$ref":
            return try shapes(.not(document.target(of: value.string ?? "", at: pointer)))
        case "not": return try shapes(.schema(pointer))
        case "allOf":
            var result: [SchemaShape] = []
            for index in (value.array ?? []).indices { result += try shapes(.not(pointer.appending(index))) }
            return result
        case "anyOf":
            return try shapes(SchemaConjunction((value.array ?? []).indices.map { .not(pointer.appending($0)) }))
        default:
            throw .unsupportedKeyword("not", pointer: pointer, reason: "the opposite of \"\(keyword)\" is not known")
        }
    }

    private func negatedTypes(_ types: Set<String>) -> [SchemaShape] {
        SchemaShape.anything.compactMap { shape in
            switch shape {
            case .null: return types.contains("null") ? nil : shape
            case .boolean: return types.contains("boolean") ? nil : shape
            case .string: return types.contains("string") ? nil : shape
            case .array: return types.contains("array") ? nil : shape
            case .object: return types.contains("object") ? nil : shape
            case .number(var number):
                if types.contains("number") { return nil }
                if types.contains("integer") { number.kind = .fraction }
                return .number(number)
            case .literals: return nil
            }
        }
    }

    /// Values of every type except the given values.
    private mutating func negatedValues(_ values: [JSON], _ pointer: String) throws(GrammarError) -> [SchemaShape] {
        var number = NumberShape()
        var strings: [String] = []
        var bools: Set<Bool> = [true, false]
        var hasNull = true
        for value in values {
            switch value {
            case .null: hasNull = false
            case .bool(let value): bools.remove(value)
            case .string(let value): strings.append(value)
            case .integer, .number:
                guard let value = DecimalNumber(value) else { continue }
                number.excluded.append(value)
            case .array, .object:
                throw .unsupportedKeyword(
                    "not", pointer: pointer, reason: "the opposite of one \(value.kind) is not known")
            }
        }
        var string = StringShape()
        if !strings.isEmpty { string.excluded = [try .texts(strings, budget)] }
        var result: [SchemaShape] = [.number(number), .string(string), .array(ArrayShape()), .object(ObjectShape())]
        if hasNull { result.append(.null) }
        if bools.count == 2 { result.append(.boolean(nil)) } else { result += bools.map { .boolean($0) } }
        return result
    }
}
