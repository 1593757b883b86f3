import MartletGrammar
import MartletJSON
import Testing

/// Numbers that a schema, a pattern or a grammar carries, at the ends of what words hold: each gives a grammar or a typed
/// error.
struct SchemaNumberTests {
    private static let extremes = [
        "9223372036854775807", "9223372036854775806", "-9223372036854775808", "18446744073709551615", "2147483647",
        "2147483648", "-2147483648", "9007199254740992", "-9007199254740992", "1e308", "-1e308", "5e-324", "1e15", "0",
        "-0.0", "1", "199999",
    ]
    private static let counts = [
        "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains",
        "maxContains",
    ]
    private static let keywords =
        counts + ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "const"]
    private static let frames = [
        "#", #"{"not":#}"#, #"{"not":{"not":#}}"#, #"{"if":#,"then":{"maxLength":9223372036854775807}}"#,
        #"{"if":{"minItems":2},"then":#,"else":#}"#, #"{"oneOf":[#,{"type":"string"}]}"#, #"{"oneOf":[#,#]}"#,
        #"{"anyOf":[#,{"not":#}]}"#, #"{"allOf":[#,{"minLength":1,"minItems":1,"minProperties":1}]}"#,
        #"{"type":"array","items":#}"#, #"{"type":"array","prefixItems":[#,{"not":#}],"items":false}"#,
        #"{"type":"array","contains":#}"#, #"{"properties":{"a":#},"required":["a"],"additionalProperties":#}"#,
        #"{"propertyNames":#}"#, #"{"patternProperties":{"^a":#}}"#, #"{"dependentSchemas":{"a":#}}"#,
        #"{"type":"array","uniqueItems":true,"items":#}"#, #"{"enum":[1,"a",[1],{"a":1}],"allOf":[#]}"#,
    ]

    /// A grammar, or a typed error: anything else ends the process.
    private func compile(_ schema: String) throws -> Bool {
        let schema = try JSON(parsing: schema)
        var limits = GrammarLimits()
        // Enough to reach the arithmetic, little enough for thousands of schemas.
        limits.work = 200_000
        limits.states = 4_000
        do throws(GrammarError) {
            let grammar = try GrammarRunner(.jsonSchema(schema), limits)
            _ = grammar.grammar.matcher().mayEnd
            return true
        } catch {
            #expect(!error.description.isEmpty)
            return false
        }
    }

    @Test(arguments: keywords)
    func extremesOfEveryKeywordAreAnswered(_ keyword: String) throws {
        for frame in Self.frames {
            for value in Self.extremes {
                let counted = keyword.hasSuffix("Contains") ? #""contains":{"type":"null"},"# : ""
                _ = try compile(frame.replacing("#", with: "{\(counted)\"\(keyword)\":\(value)}"))
            }
        }
    }

    @Test func extremesOfBothBoundsAreAnswered() throws {
        for low in Self.extremes {
            for high in Self.extremes {
                for (least, most) in [
                    ("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum"), ("minLength", "maxLength"),
                    ("minItems", "maxItems"), ("minProperties", "maxProperties"),
                ] {
                    let types = #""type":["integer","string","array","object"]"#
                    _ = try compile("{\(types),\"\(least)\":\(low),\"\(most)\":\(high)}")
                    guard least == "minimum" else { continue }
                    let items = "{\"type\":\"integer\",\"minimum\":\(low),\"maximum\":\(high)}"
                    _ = try compile("{\"type\":\"array\",\"uniqueItems\":true,\"items\":\(items)}")
                }
            }
        }
    }

    @Test func anUpperBoundThatNoReplyReachesAsksForNothing() throws {
        for bound in ["2147483647", "9007199254740991", "9223372036854775807", "1e308"] {
            for schema in [
                "{\"type\":\"string\",\"maxLength\":\(bound)}", "{\"type\":\"array\",\"maxItems\":\(bound)}",
                "{\"type\":\"object\",\"maxProperties\":\(bound)}",
            ] { #expect(try compile(schema), "\(schema)") }
            // Its opposite asks for more than anybody can write.
            #expect(try !compile("{\"type\":\"string\",\"not\":{\"maxLength\":\(bound)}}"))
        }
        let bounded = try GrammarRunner(.jsonSchema(JSON(parsing: #"{"not":{"maxLength":2}}"#)))
        #expect(try bounded.accepts(#""abc""#))
        #expect(try !bounded.accepts(#""ab""#))
    }

    @Test func repeatsOfGrammarsAndPatternsAreAnswered() throws {
        for value in Self.extremes {
            for grammar in [
                "root ::= \"a\"{\(value)}", "root ::= \"a\"{\(value),}", "root ::= \"a\"{1,\(value)}",
                "root ::= \"\"{0,\(value)}", "root ::= (\"a\"{1000}){\(value)}", "root ::= <[\(value)]>",
                "root ::= !<[\(value)]>", "root ::= \"\\U\(value.prefix(8))\"",
            ] {
                do throws(GrammarError) { _ = try GrammarRunner(.gbnf(grammar)) } catch {
                    #expect(!error.description.isEmpty)
                }
            }
            for pattern in [
                "a{\(value)}", "a{\(value),}", "a{1,\(value)}", "(a{1000}){\(value)}", "\\u{\(value)}", "\\\(value)",
                "(?=a{\(value)})a", "[\\x\(value)]",
            ] {
                do throws(GrammarError) { _ = try GrammarRunner(.regularExpression(pattern)) } catch {
                    #expect(!error.description.isEmpty)
                }
            }
        }
    }
}
