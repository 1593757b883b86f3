import MartletGrammar
import MartletInference
import MartletJSON

private func parsed(_ text: String) -> JSON { (try? JSON(parsing: text)) ?? .null }

/// Grammars, each with a text that it allows.
let samples: [(name: String, source: GrammarSource, text: String)] = [
    (
        "person",
        .jsonSchema(
            parsed(
                #"{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},"email":{"type":"string","format":"email"},"tags":{"type":"array","items":{"type":"string"},"maxItems":5}},"required":["name","age"],"additionalProperties":false}"#
            )),
        #"{"name": "Ada Lovelace", "age": 36, "email": "ada@example.com", "tags": ["mathematics", "engines", "poetry"]}"#
    ),
    (
        "recursive tree",
        .jsonSchema(
            parsed(
                ##"{"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#"}}},"required":["name","children"],"additionalProperties":false}"##
            )),
        #"{"name": "root", "children": [{"name": "a", "children": []}, {"name": "b", "children": [{"name": "c", "children": []}]}]}"#
    ),
    (
        "tool calls",
        .jsonSchema(
            parsed(
                #"{"oneOf":[{"type":"object","properties":{"name":{"const":"search"},"arguments":{"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer","minimum":1,"maximum":50}},"required":["query"],"additionalProperties":false}},"required":["name","arguments"],"additionalProperties":false},{"type":"object","properties":{"name":{"const":"weather"},"arguments":{"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["celsius","fahrenheit"]}},"required":["city"],"additionalProperties":false}},"required":["name","arguments"],"additionalProperties":false}]}"#
            )),
        #"{"name": "weather", "arguments": {"city": "Reykjavík", "unit": "celsius"}}"#
    ),
    (
        "counted strings",
        .jsonSchema(
            parsed(
                #"{"type":"object","properties":{"title":{"type":"string","minLength":5,"maxLength":200},"summary":{"type":"string","maxLength":2000}},"required":["title","summary"],"additionalProperties":false}"#
            )),
        #"{"title": "A small bird that flies far", "summary": "The house martin winters in Africa and comes back to the same nest in spring, under the eaves of the same house, year after year."}"#
    ),
    (
        "any object", .jsonObject(),
        #"{"a": [1, 2.5, {"b": null, "c": "text that goes on for a while"}], "d": {"e": true, "f": [[], {}]}}"#
    ),
    (
        "date", .regularExpression(#"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"#), "2024-02-29"
    ),
    ("choice", .choice(["positive", "negative", "neutral"]), "neutral"),
    (
        "arithmetic",
        .gbnf(
            """
            root ::= expr "=" " "? num
            expr ::= term ([-+*/] term)*
            term ::= num | "(" expr ")"
            num ::= " "? [0-9]+ " "?
            """), "(12+ 3)*(4- 5) = 15"
    ),
]
