import MartletJSON

/// Keywords that combine schemas, or list whole values.
extension SchemaReader {
    mutating func alternatives(
        _ keyword: String, _ value: JSON, _ pointer: String, _ keywords: JSONObject, _ parent: String
    ) throws(GrammarError) -> [SchemaShape] {
        switch keyword {
        case "const": return [.literals([value])]
        case "enum":
            guard let values = value.array else {
                throw .invalidSchema(pointer: pointer, problem: "expected a list of values, not \(value.kind)")
            }
            return values.isEmpty ? [] : [.literals(values)]
        case "$ref":
            guard let reference = value.string else {
                throw .invalidSchema(pointer: pointer, problem: "expected a reference, not \(value.kind)")
            }
            return try shapes(.schema(document.target(of: reference, at: pointer)))
        case "allOf":
            var result = SchemaShape.anything
            for index in try list(value, pointer) {
                result = try merged(result, shapes(.schema(pointer.appending(index))))
            }
            return result
        case "anyOf":
            var result: [SchemaShape] = []
            for index in try list(value, pointer) {
                let branch = try shapes(.schema(pointer.appending(index)))
                // For `unevaluated…`, if both alternatives hold, the properties evaluated by both count.
                let both = document.hasUnevaluated ? try merged(result, branch) : []
                result += branch + both
                try checkAlternatives(result.count)
            }
            return result
        case "oneOf": return try oneOf(list(value, pointer), pointer)
        case "not": return try shapes(.not(pointer))
        case "if":
            let then = parent.appending("then")
            let otherwise = parent.appending("else")
            let yes = keywords["then"] == nil ? [] : [SchemaTerm.schema(then)]
            let no = keywords["else"] == nil ? [] : [SchemaTerm.schema(otherwise)]
            if yes.isEmpty, no.isEmpty {
                // Where the schema holds, its evaluated properties count.
                return SchemaShape.anything + (document.hasUnevaluated ? try shapes(.schema(pointer)) : [])
            }
            let first = try shapes(SchemaConjunction([.schema(pointer)] + yes))
            let negated: [SchemaShape]
            do throws(GrammarError) {
                negated = try shapes(SchemaConjunction([.not(pointer)] + no))
            } catch {
                throw Self.renamed(error, "if", pointer)
            }
            return first + negated
        case "dependentRequired", "dependentSchemas", "dependencies":
            return try dependencies(keyword, value, pointer)
        default:
            throw .unsupportedKeyword(keyword, pointer: pointer, reason: "no grammar has this meaning; use $ref")
        }
    }

    private func list(_ value: JSON, _ pointer: String) throws(GrammarError) -> Range<Int> {
        guard let list = value.array, !list.isEmpty else {
            throw .invalidSchema(pointer: pointer, problem: "expected a list of schemas")
        }
        try checkAlternatives(list.count)
        return list.indices
    }

    /// A keyword that needs the negation of a schema is named in the error.
    private static func renamed(_ error: GrammarError, _ keyword: String, _ pointer: String) -> GrammarError {
        guard case .unsupportedKeyword("not", _, let reason) = error else { return error }
        return .unsupportedKeyword(keyword, pointer: pointer, reason: reason)
    }

    /// Mutually exclusive alternatives are equivalent to `anyOf`; otherwise each alternative minus its intersection
    /// with the rest.
    private mutating func oneOf(_ indices: Range<Int>, _ pointer: String) throws(GrammarError) -> [SchemaShape] {
        let branches = indices.map { SchemaConjunction([.schema(pointer.appending($0))]) }
        var overlaps: [Set<Int>] = Array(repeating: [], count: branches.count)
        for one in indices {
            for other in indices where other > one {
                if try !areDisjoint(branches[one], branches[other]) {
                    overlaps[one].insert(other)
                    overlaps[other].insert(one)
                }
            }
        }
        var result: [SchemaShape] = []
        for one in indices {
            let others = overlaps[one].sorted().map { SchemaTerm.not(pointer.appending($0)) }
            do throws(GrammarError) {
                result += try shapes(SchemaConjunction(branches[one].terms + others))
            } catch {
                guard case .unsupportedKeyword("not", _, let reason) = error, let other = overlaps[one].min() else {
                    throw error
                }
                throw .unsupportedKeyword(
                    "oneOf", pointer: pointer,
                    reason: "nothing shows that \(one) and \(other) exclude each other (\(reason)); use anyOf")
            }
            try checkAlternatives(result.count)
        }
        return result
    }

    private mutating func dependencies(
        _ keyword: String, _ value: JSON, _ pointer: String
    ) throws(GrammarError) -> [SchemaShape] {
        guard case .object(let object) = value else {
            throw .invalidSchema(pointer: pointer, problem: "expected an object, not \(value.kind)")
        }
        let others = SchemaShape.anything.filter { if case .object = $0 { false } else { true } }
        var result = SchemaShape.anything
        for (name, value) in object {
            var without = ObjectShape()
            without.forbidden = [name]
            var with = ObjectShape()
            with.required = [name]
            var whole: [SchemaShape]
            // `dependencies` up to draft-07 was split into two keywords.
            if keyword == "dependentRequired" || keyword == "dependencies" && value.array != nil {
                with.required += try names(value, pointer.appending(name)).filter { $0 != name }
                whole = [.object(with)]
            } else {
                whole = try merged([.object(with)], shapes(.schema(pointer.appending(name))))
            }
            whole.append(.object(without))
            result = try merged(result, others + whole)
        }
        return result
    }
}
