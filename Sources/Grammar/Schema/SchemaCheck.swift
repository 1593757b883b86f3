import MartletJSON

/// Validates values against schemas, to test what grammars accept.
package enum SchemaCheck {
    package static func admits(_ schema: JSON, _ value: JSON) throws(GrammarError) -> Bool {
        var limits = GrammarLimits()
        limits.work *= 10
        limits.states *= 10
        var reader = try SchemaReader(schema, GrammarBudget(limits))
        return try reader.admits(SchemaConjunction([.schema("")]), value)
    }
}
