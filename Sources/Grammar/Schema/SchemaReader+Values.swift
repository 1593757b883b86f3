import MartletJSON

/// Validation of single values against schemas: `enum` and `const` beside other keywords.
extension SchemaReader {
    mutating func admits(_ conjunction: SchemaConjunction, _ value: JSON) throws(GrammarError) -> Bool {
        for shape in try shapes(conjunction) {
            if try admits(shape, value) { return true }
        }
        return false
    }

    mutating func admits(_ shape: SchemaShape, _ value: JSON) throws(GrammarError) -> Bool {
        try budget.spend(8)
        switch (shape, value) {
        case (.null, .null): return true
        case (.boolean(let wanted), .bool(let value)): return wanted == nil || wanted == value
        case (.number(let shape), .integer), (.number(let shape), .number):
            guard let number = DecimalNumber(value) else { return false }
            if shape.isFree { return shape.kind == .any || number.isInteger }
            return try language(shape).accepts(number.text)
        case (.string(let shape), .string(let value)):
            try budget.spend(value.utf8.count / 16 * (shape.languages.count + shape.excluded.count + 1))
            let length = value.unicodeScalars.count
            return length >= shape.least && length <= shape.most ?? length
                && shape.languages.allSatisfy { $0.accepts(value.utf8) }
                && !shape.excluded.contains { $0.accepts(value.utf8) }
        case (.array(let shape), .array(let values)): return try admits(shape, values)
        case (.object(let shape), .object(let object)): return try admits(shape, object)
        case (.literals(let values), _):
            try budget.spend(values.count / 4)
            return values.contains { Self.areEqual($0, value) }
        default: return false
        }
    }

    private mutating func admits(_ shape: ArrayShape, _ values: [JSON]) throws(GrammarError) -> Bool {
        try budget.spend(values.count * (shape.contained.count + 1))
        guard values.count >= shape.least, values.count <= shape.most ?? values.count else { return false }
        for (index, value) in values.enumerated() {
            guard try admits(shape.item(index), value) else { return false }
        }
        for contained in shape.contained {
            var count = 0
            for value in values {
                if try admits(contained.items, value) { count += 1 }
            }
            guard count >= contained.least, count <= contained.most ?? count else { return false }
        }
        guard shape.unique != nil else { return true }
        for (index, value) in values.enumerated() {
            try budget.spend(index)
            if values[..<index].contains(where: { Self.areEqual($0, value) }) { return false }
        }
        return true
    }

    private mutating func admits(_ shape: ObjectShape, _ object: JSONObject) throws(GrammarError) -> Bool {
        try budget.spend(shape.size)
        guard object.count >= shape.least, object.count <= shape.most ?? object.count,
            shape.required.allSatisfy({ object[$0] != nil }), !shape.forbidden.contains(where: { object[$0] != nil })
        else { return false }
        for (name, value) in object {
            guard try admits(shape.value(of: name), value), try admits(shape.names, .string(name)) else {
                return false
            }
        }
        return true
    }

    /// JSON Schema's equality: the order of an object's members is ignored.
    static func areEqual(_ left: JSON, _ right: JSON) -> Bool {
        switch (left, right) {
        case (.object(let left), .object(let right)):
            left.count == right.count
                && left.allSatisfy { key, value in right[key].map { areEqual(value, $0) } ?? false }
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { areEqual($0, $1) }
        default: left == right
        }
    }

    // MARK: - Disjointness

    private static let deepestProof = 6

    /// Whether no value satisfies both, as far as it can be proved; false otherwise.
    mutating func areDisjoint(
        _ one: SchemaConjunction, _ other: SchemaConjunction, depth: Int = 0
    ) throws(GrammarError) -> Bool {
        guard depth < Self.deepestProof else { return false }
        let key = [one, other]
        if let known = disjointness[key] { return known }
        let both = try merged(shapes(one), shapes(other))
        var result = true
        for shape in both {
            result = try isEmpty(shape, depth: depth)
            if !result { break }
        }
        disjointness[key] = result
        return result
    }

    /// Whether no value has this shape, as far as it can be proved.
    private mutating func isEmpty(_ shape: SchemaShape, depth: Int) throws(GrammarError) -> Bool {
        switch shape {
        case .null, .boolean, .literals: return false
        case .number(let shape):
            if shape.isFree { return false }
            return try language(shape).isEmpty
        case .string(let shape): return try language(shape).isEmpty
        case .array(let shape):
            if shape.least > shape.most ?? shape.least { return true }
            for index in 0..<min(shape.least, shape.prefix.count + 1) {
                if try isImpossible(shape.item(index), depth: depth) { return true }
            }
            return false
        case .object(let shape):
            if shape.required.count > shape.most ?? shape.required.count { return true }
            for name in shape.required {
                if try isImpossible(shape.value(of: name), depth: depth) { return true }
            }
            return false
        }
    }

    private mutating func isImpossible(_ conjunction: SchemaConjunction, depth: Int) throws(GrammarError) -> Bool {
        do throws(GrammarError) {
            return try areDisjoint(conjunction, .any, depth: depth + 1)
        } catch {
            // A schema that is currently being read cannot be used in the proof.
            if error.isEndlessReference { return false }
            throw error
        }
    }
}
