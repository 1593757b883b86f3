import MartletGrammar
import MartletJSON
import Testing

struct SchemaRefusalTests {
    private func problem(_ schema: String) -> GrammarError? {
        do {
            let schema = try JSON(parsing: schema)
            do throws(GrammarError) {
                _ = try GrammarRunner(.jsonSchema(schema))
                return nil
            } catch {
                return error
            }
        } catch {
            return nil
        }
    }

    @Test(arguments: [
        (
            #"{"properties":{"a":{"contains":{},"unevaluatedItems":false}}}"#, "unevaluatedItems",
            "/properties/a/unevaluatedItems"
        ),
        (
            #"{"allOf":[{"enum":[{"a":1}]}],"unevaluatedProperties":false}"#, "unevaluatedProperties",
            "/unevaluatedProperties"
        ),
        (#"{"not":{"unevaluatedProperties":false}}"#, "not", "/not/unevaluatedProperties"),
        (
            #"{"type":"array","items":{"type":"integer","minimum":1,"maximum":40},"uniqueItems":true}"#, "uniqueItems",
            "/uniqueItems"
        ),
        (#"{"type":"array","items":{"enum":[1,2]},"contains":{},"uniqueItems":true}"#, "uniqueItems", "/uniqueItems"),
        (#"{"type":"array","uniqueItems":true}"#, "uniqueItems", "/uniqueItems"),
        (#"{"type":"array","items":{"type":"string"},"uniqueItems":true,"maxItems":5}"#, "uniqueItems", "/uniqueItems"),
        (#"{"$ref":"https://example.com/schema"}"#, "$ref", "/$ref"),
        (##"{"$dynamicRef":"#a"}"##, "$dynamicRef", "/$dynamicRef"),
        (#"{"type":"string","format":"regex"}"#, "format", "/format"),
        (#"{"items":{"pattern":"(a)\\1"}}"#, "pattern", "/items/pattern"),
        (#"{"patternProperties":{"\\b":{}}}"#, "patternProperties", #"/patternProperties/\b"#),
        (#"{"type":"object","minProperties":3}"#, "minProperties", "/minProperties"),
        (#"{"not":{"format":"email"}}"#, "not", "/not/format"),
        (
            #"{"oneOf":[{"type":"object","additionalProperties":{"type":"null"}},{"type":"object","maxProperties":1}]}"#,
            "oneOf", "/oneOf"
        ),
        (#"{"if":{"uniqueItems":true},"then":{"maxItems":3}}"#, "if", "/if"),
        (#"{"properties":{"x":{"$id":"y"}}}"#, "$id", "/properties/x/$id"),
        (##"{"properties":{"a~b":{"$dynamicRef":"#a"}}}"##, "$dynamicRef", "/properties/a~0b/$dynamicRef"),
        (#"{"not":{"prefixItems":[{"type":"null"}]}}"#, "not", "/not/prefixItems"),
        (
            #"{"$schema":"http://json-schema.org/draft-07/schema#","not":{"items":[{"type":"null"}]}}"#, "not",
            "/not/items"
        ),
    ])
    func keywordsThatCannotBeEnforcedAreNamed(_ schema: String, _ keyword: String, _ pointer: String) {
        guard case .unsupportedKeyword(let found, let place, _) = problem(schema) else {
            Issue.record("\(schema): \(String(describing: problem(schema)))")
            return
        }
        #expect(found == keyword)
        #expect(place == pointer)
    }

    @Test(arguments: [
        ("3", ""), (#"{"type":"text"}"#, "/type"), (#"{"type":[]}"#, "/type"), (#"{"properties":[]}"#, "/properties"),
        (#"{"properties":{"a":3}}"#, "/properties/a"), (#"{"required":"a"}"#, "/required"),
        (#"{"minLength":-1}"#, "/minLength"), (#"{"minimum":"3"}"#, "/minimum"),
        (#"{"exclusiveMinimum":true}"#, "/exclusiveMinimum"),
        (#"{"multipleOf":0}"#, "/multipleOf"), (#"{"items":[{}]}"#, "/items"), (#"{"anyOf":[]}"#, "/anyOf"),
        (#"{"enum":3}"#, "/enum"), (##"{"$ref":"#/nowhere"}"##, "/$ref"), (##"{"$ref":"#"}"##, ""),
        (##"{"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}"##, "/$defs/a"),
        (#"{"maxItems":1.5}"#, "/maxItems"), (#"{"uniqueItems":1}"#, "/uniqueItems"), (#"{"pattern":1}"#, "/pattern"),
    ])
    func invalidSchemasAreNamed(_ schema: String, _ pointer: String) {
        guard case .invalidSchema(let place, _) = problem(schema) else {
            Issue.record("\(schema): \(String(describing: problem(schema)))")
            return
        }
        #expect(place == pointer)
    }

    @Test(arguments: [
        ("false", "the schema"), (#"{"enum":[]}"#, "the schema"),
        (#"{"type":"string","minLength":3,"maxLength":2}"#, "the schema"),
        (#"{"type":"integer","minimum":3,"maximum":2}"#, "the schema"),
        (#"{"type":"integer","exclusiveMinimum":3,"exclusiveMaximum":4}"#, "the schema"),
        (
            #"{"type":"object","properties":{"a":{"type":"object","properties":{"b":false},"required":["b"]}},"required":["a"]}"#,
            "the schema at \"/properties/a/properties/b\""
        ),
        (
            #"{"type":"array","items":{"type":"string","pattern":"^a$","minLength":2},"minItems":1}"#,
            "the schema at \"/items\""
        ),
        (##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##, "the schema"),
        (#"{"allOf":[{"type":"string"},{"type":"integer"}]}"#, "the schema"),
        (#"{"type":"object","required":["a"],"maxProperties":0}"#, "the schema"),
        (
            #"{"type":"object","required":["a"],"additionalProperties":false}"#,
            "the schema at \"/additionalProperties\""
        ),
    ])
    func schemasWithoutValuesAreNamed(_ schema: String, _ place: String) {
        #expect(problem(schema) == .unsatisfiable(place: place))
    }

    @Test(.timeLimit(.minutes(20)))
    func hostileSchemasEndInAnError() throws {
        func nested(_ depth: Int, _ open: String, _ middle: String, _ close: String) -> String {
            String(repeating: open, count: depth) + middle + String(repeating: close, count: depth)
        }
        let numbers = (0..<200_000).map { "\"value \($0)\"" }.joined(separator: ",")
        let doubling = (0..<20).map {
            "\"d\($0)\":{\"allOf\":[{\"$ref\":\"#/$defs/d\($0 + 1)\"},{\"$ref\":\"#/$defs/d\($0 + 1)\"}]}"
        }
        .joined(separator: ",")
        let product = (0..<12).map { _ in #"{"anyOf":[{"minimum":1},{"maximum":0},{"minLength":3},{"maxLength":2}]}"# }
            .joined(separator: ",")
        for schema in [
            nested(200, #"{"items":"#, "{}", "}"), nested(200, #"{"not":"#, "{}", "}"),
            #"{"type":"array","minItems":1000000000}"#, #"{"type":"array","maxItems":1000000000}"#,
            #"{"type":"string","minLength":1000000000}"#, #"{"type":"string","maxLength":1000000000}"#,
            #"{"type":"object","maxProperties":1000000000}"#, "{\"enum\":[\(numbers)]}",
            #"{"type":"string","pattern":"^(a|b)*a(a|b){60}$"}"#, #"{"type":"string","pattern":"(.{999}){999}"}"#,
            #"{"type":"integer","multipleOf":1234567891}"#, "{\"allOf\":[\(product)]}",
            #"{"type":"array","contains":{"const":1},"minContains":100000,"minItems":100000}"#,
        ] {
            guard case .tooLarge = problem(schema) else {
                Issue.record("\(schema.prefix(80)): \(String(describing: problem(schema)))")
                continue
            }
        }
        // Large for a reader that does not remember, small for one that does.
        #expect(problem("{\"$defs\":{\(doubling),\"d20\":{\"type\":\"null\"}},\"$ref\":\"#/$defs/d0\"}") == nil)
    }

    @Test func whiteSpaceIsBounded() throws {
        let schema: JSON = ["type": "array", "items": ["type": "null"]]
        let compact = try GrammarRunner(.jsonSchema(schema, .compact))
        let single = try GrammarRunner(.jsonSchema(schema, .single))
        let lines = try GrammarRunner(.jsonSchema(schema, .lines))
        #expect(try !compact.accepts("[null, null]"))
        #expect(try single.accepts("[null, null]"))
        #expect(try !single.accepts("[null,  null]"))
        #expect(try !single.accepts("[null,\nnull]"))
        #expect(try lines.accepts("[\n  null,\n  null\n]"))
        #expect(try !lines.accepts("[\n\nnull]"))
        #expect(try !lines.accepts("[\n" + String(repeating: " ", count: 17) + "null]"))
    }

    @Test func anyObjectIsAnObject() throws {
        let runner = try GrammarRunner(.jsonObject())
        for text in ["{}", #"{"a":[1,-2.5e3,{"b":null}],"\u00e9\ud83d\ude00":"x\n"}"#, "{\n  \"a\": true\n}"] {
            #expect(try runner.accepts(text), "\(text)")
        }
        for text in [
            "[]", "1", "{", #"{"a"}"#, #"{"a":01}"#, #"{"a":"\ud83d"}"#, #"{"a":1,}"#, "{\"a\":\"\n\"}", "{} ",
        ] {
            #expect(try !runner.accepts(text), "\(text)")
        }
    }
}
