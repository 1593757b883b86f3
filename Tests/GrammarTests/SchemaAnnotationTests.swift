import MartletGrammar
import MartletJSON
import Testing

/// Schemas as tools send them: what is no keyword of the vocabularies is an annotation, and what older versions spell in
/// another way is understood where `$schema` names the version.
struct SchemaAnnotationTests {
    private func runner(_ schema: String) throws -> GrammarRunner {
        try GrammarRunner(.jsonSchema(JSON(parsing: schema)))
    }

    @Test(arguments: [
        #""nullable":true"#, #""propertyOrdering":["a"]"#, #""errorMessage":{"type":"no"}"#, #""strict":true"#,
        #""xml":{"name":"x"}"#, #""externalDocs":{}"#, #""maxLenght":3"#, #""a~b":1"#, #""id":"x""#,
        #""$dynamicAnchor":"a""#, #""$recursiveAnchor":true"#, #""enumNames":["x"]"#, #""additionalItems":false"#,
        #""x-order":1"#, #""optional":true"#, #""input":5"#,
    ])
    func unknownKeywordsAskForNothing(_ member: String) throws {
        let runner = try runner("{\"type\":\"string\",\(member)}")
        #expect(try runner.accepts(#""abcdef""#))
        #expect(try !runner.accepts("null"))
        // The opposite of nothing is no value.
        #expect(throws: GrammarError.unsatisfiable(place: "the schema")) {
            _ = try self.runner("{\"not\":{\(member)}}")
        }
    }

    @Test(arguments: ["int32", "int64", "float", "double", "password", "byte", "binary", "phone", "color"])
    func unknownFormatsAskForNothing(_ format: String) throws {
        #expect(try runner("{\"type\":\"string\",\"format\":\"\(format)\"}").accepts(#""any""#))
        #expect(try runner("{\"type\":\"integer\",\"format\":\"\(format)\"}").accepts("12"))
        let bounded = try runner("{\"type\":\"string\",\"format\":\"\(format)\",\"maxLength\":2}")
        #expect(try !bounded.accepts(#""any""#))
    }

    @Test func pointersRelativeToAPlaceAreAFormat() throws {
        let runner = try runner(#"{"type":"string","format":"relative-json-pointer"}"#)
        for text in ["0", "1/a~0b/2", "12#"] { #expect(try runner.accepts("\"\(text)\""), "\(text)") }
        for text in ["", "01", "/a", "1#/a", "1a"] { #expect(try !runner.accepts("\"\(text)\""), "\(text)") }
    }

    // MARK: Versions

    @Test(arguments: [
        "http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft/2019-09/schema",
    ])
    func itemsMayBeAListUpTo2019(_ version: String) throws {
        let body = #""type":"array","items":[{"type":"null"},{"type":"boolean"}]"#
        let open = try runner("{\"$schema\":\"\(version)\",\(body)}")
        for text in ["[]", "[null]", "[null, true]", "[null, true, 5]"] { #expect(try open.accepts(text), "\(text)") }
        #expect(try !open.accepts("[true]"))
        let closed = try runner("{\"$schema\":\"\(version)\",\(body),\"additionalItems\":false}")
        #expect(try closed.accepts("[null, true]"))
        #expect(try !closed.accepts("[null, true, 5]"))
        let typed = try runner("{\"$schema\":\"\(version)\",\(body),\"additionalItems\":{\"type\":\"null\"}}")
        #expect(try typed.accepts("[null, true, null]"))
        #expect(try !typed.accepts("[null, true, 5]"))
        // Beside one schema for all items it asks for nothing.
        let beside = try runner(
            "{\"$schema\":\"\(version)\",\"type\":\"array\",\"items\":{},\"additionalItems\":false}")
        #expect(try beside.accepts("[1]"))
    }

    @Test func boundsOfDraft4AreExclusiveByABoolean() throws {
        let version = #""$schema":"http://json-schema.org/draft-04/schema#","type":"integer""#
        let exclusive = try runner(
            "{\(version),\"minimum\":1,\"exclusiveMinimum\":true,\"maximum\":4,\"exclusiveMaximum\":true}")
        for (text, isIn) in [("1", false), ("2", true), ("3", true), ("4", false)] {
            #expect(try exclusive.accepts(text) == isIn, "\(text)")
        }
        let inclusive = try runner("{\(version),\"minimum\":1,\"exclusiveMinimum\":false}")
        #expect(try inclusive.accepts("1"))
        let negated = try runner("{\(version),\"not\":{\"minimum\":1,\"exclusiveMinimum\":true},\"minimum\":0}")
        for (text, isIn) in [("0", true), ("1", true), ("2", false)] {
            #expect(try negated.accepts(text) == isIn, "\(text)")
        }
        #expect(throws: GrammarError.self) { try self.runner(#"{"minimum":1,"exclusiveMinimum":true}"#) }
    }

    @Test func whatStandsBesideAReferenceCountsSince2019() throws {
        let body =
            ##""definitions":{"a":{"type":"string"}},"properties":{"x":{"$ref":"#/definitions/a","maxLength":1}}"##
        let old = try runner("{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\(body)}")
        #expect(try old.accepts(#"{"x": "ab"}"#))
        #expect(try !runner("{\(body)}").accepts(#"{"x": "ab"}"#))
    }

    @Test func namesOfPlacesByIdentifierAreFound() throws {
        let runner = try runner(
            ##"{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"a":{"$id":"#b","type":"null"}},"##
                + ##""properties":{"x":{"$ref":"#b"}}}"##)
        #expect(try runner.accepts(#"{"x": null}"#))
        #expect(try !runner.accepts(#"{"x": 1}"#))
    }

    @Test func dependenciesAreBothOfTheirSuccessors() throws {
        let runner = try runner(
            #"{"type":"object","properties":{"a":{},"b":{},"c":{"type":"integer"}},"#
                + #""dependencies":{"a":["b"],"b":{"required":["c"]}},"additionalProperties":false}"#)
        for (text, isIn) in [
            (#"{"a": 1}"#, false), (#"{"b": 1}"#, false), (#"{"b": 1, "c": 1}"#, true), (#"{"c": 1}"#, true),
            (#"{"a": 1, "b": 1, "c": 1}"#, true),
        ] { #expect(try runner.accepts(text) == isIn, "\(text)") }
    }
}
