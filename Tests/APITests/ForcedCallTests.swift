import MartletAPI
import MartletChat
import MartletGrammar
import MartletInference
import MartletJSON
import Testing

/// Calls that are forced: the grammar takes what the family writes (Goldens/make_forced_calls.py), and whatever it lets
/// through is read back as calls of those tools.
struct ForcedCallTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var family: String
        var syntax: ToolSyntax
        var signs: String
        var calls: [JSON]
        var text: String
        /// What a model is made to write, where it differs from how the past is told.
        var forced: String
        var number: Int

        var testDescription: String { "\(family) \(number)" }
    }

    private static let goldens = (try? JSON(parsing: Golden.text("forced-calls.json").utf8)) ?? .null
    private static let tools: [JSON] = goldens["tools"]?.array ?? []
    static let cases: [Case] = (goldens["cases"]?.array ?? []).enumerated().compactMap { number, json in
        guard let family = json["family"]?.string, let signs = json["signs"]?.string, let text = json["text"]?.string,
            let syntax = json["syntax"]?.string.flatMap(ToolSyntax.init(rawValue:))
        else { return nil }
        return Case(
            family: family, syntax: syntax, signs: signs, calls: json["calls"]?.array ?? [], text: text,
            forced: json["forced"]?.string ?? text, number: number)
    }

    /// The bytes, and the end (token 256).
    private static let tree = TokenTree(tokenBytes: (0..<256).map { [UInt8($0)] } + [[]], endTokens: [256])

    /// A model whose template shows these signs, the request, and the grammar of what is forced.
    private func forced(
        _ signs: String, _ tools: [JSON]
    ) throws -> (model: LanguageModel, request: GenerationRequest, grammar: CompiledGrammar, calls: CallGrammar) {
        let model = try LanguageModel.tiny(template: "{{ tools }}{#\(signs)#}") { $0.contextLength = 4096 }
        let body: JSON = [
            "messages": [["role": "user", "content": "a"]], "tool_choice": "required", "tools": .array(tools),
        ]
        let request = try GenerationRequest(chatCompletion: body.bytes())
        guard case .calls(let calls, _)? = try GenerationPlan(request, model: model, name: "m").constraint else {
            throw APIError("no calls are forced")
        }
        return (model, request, try GrammarCompiler(Self.tree).compile(.calls(calls)), calls)
    }

    /// The calls that a reply of these pieces holds.
    private func read(
        _ pieces: [String], _ model: LanguageModel, _ request: GenerationRequest
    ) throws -> [(name: String, arguments: JSON)] {
        let script = Script(model: model, request: request, pieces: [Script.pieces(pieces)])
        let message = try script.run().json["choices"]?.array?.first?["message"]
        #expect(message?["content"]?.string ?? "" == "", "\(pieces.joined())")
        return try (message?["tool_calls"]?.array ?? []).map { call in
            let text = call["function"]?["arguments"]?.string ?? ""
            return (call["function"]?["name"]?.string ?? "", try JSON(parsing: text.utf8))
        }
    }

    private func accepts(_ text: String, _ grammar: CompiledGrammar) throws -> Bool {
        var matcher = grammar.matcher()
        return try matcher.accept(bytes: text.utf8) && matcher.mayEnd
    }

    @Test func everyFamilyIsThere() { #expect(Set(Self.cases.map(\.syntax)).count == ToolSyntax.allCases.count - 1) }

    @Test(arguments: cases) func whatAFamilyWritesIsTakenAndRead(_ test: Case) throws {
        #expect(ToolSyntax(template: "{{ tools }}{#\(test.signs)#}") == test.syntax)
        let (model, request, grammar, _) = try forced(test.signs, Self.tools)
        #expect(try accepts(test.forced, grammar), "\(test.forced)")
        for text in Set([test.text, test.forced]) {
            for pieces in [[text], text.map { String($0) }] {
                let found = try read(pieces, model, request)
                #expect(found.map(\.name) == test.calls.compactMap { $0["name"]?.string })
                for (call, wanted) in zip(found, test.calls) {
                    #expect(sorted(call.arguments) == sorted(wanted["arguments"] ?? .null))
                }
            }
        }
        // A text that breaks off is no call, nor is one of a tool that there is not.
        #expect(try !accepts(String(test.forced.dropLast()), grammar))
        #expect(try !accepts(test.forced.replacing(/get_weather|now/) { _ in "remove" }, grammar))
    }

    private func sorted(_ value: JSON) -> JSON {
        guard case .object(let object) = value else { return value }
        return .object(JSONObject(object.sorted { $0.key < $1.key }))
    }

    private static let nested: [JSON] = [
        [
            "type": "function",
            "function": [
                "name": "put",
                "parameters": [
                    "type": "object", "required": ["note"],
                    "properties": [
                        "note": ["type": "string"], "tags": ["type": "array", "items": ["type": "string"]],
                        "place": [
                            "type": "object", "properties": ["x": ["type": "integer"], "y": ["type": "boolean"]],
                            "required": ["x"], "additionalProperties": false,
                        ],
                    ], "additionalProperties": false,
                ],
            ],
        ]
    ]

    private static let lists: [JSON] = [
        [
            "type": "function",
            "function": [
                "name": "put",
                "parameters": [
                    "type": "object", "required": ["tags"], "additionalProperties": false,
                    "properties": [
                        "tags": ["type": "array", "items": ["type": "string", "maxLength": 6]],
                        "sure": ["type": "boolean"],
                    ],
                ],
            ],
        ]
    ]

    /// The signs of each family once, and a template that knows tools and shows no sign.
    static let signs = Set(cases.map(\.signs)).sorted() + [""]

    @Test(arguments: signs, 0..<3) func whateverTheGrammarLetsThroughIsRead(_ signs: String, _ set: Int) throws {
        let tools = [Self.tools, Self.nested, Self.lists][set]
        let (model, request, grammar, _) = try forced(signs, tools)
        let schemas = Dictionary(
            uniqueKeysWithValues: request.tools.tools.map { ($0.name, $0.parameters) })
        var random = SeededNumbers(state: UInt64(set) &* 977 &+ UInt64(signs.utf8.count))
        var ended = 0
        for _ in 0..<40 {
            guard let text = try walk(grammar, &random) else { continue }
            ended += 1
            let found = try read([text], model, request)
            #expect(!found.isEmpty, "\(text)")
            for call in found {
                let schema = try #require(schemas[call.name])
                #expect(try MartletGrammar.SchemaCheck.admits(schema, call.arguments), "\(text)")
            }
            let pieces = try read(text.map { String($0) }, model, request)
            #expect(pieces.map(\.arguments) == found.map(\.arguments), "\(text)")
        }
        #expect(ended > 10)
    }

    /// A text drawn from the masks; nil where it does not come to its end.
    private func walk(_ grammar: CompiledGrammar, _ random: inout SeededNumbers) throws -> String? {
        var matcher = grammar.matcher()
        var bytes: [UInt8] = []
        let closing = Array("\"])}>".utf8).map(Int32.init) + [256]
        for _ in 0..<1500 {
            // Nobody would come upon what ends a text by chance.
            let mark = ["\n</parameter>\n", "<escape>", "<|\"|>"].randomElement(using: &random) ?? ""
            if random.next() % 8 == 0, try matcher.accept(bytes: mark.utf8) {
                bytes += mark.utf8
                continue
            }
            let mask = try matcher.allowedTokens()
            let allowed = (0..<Int32(257)).filter { mask.allows($0) }
            let plain = allowed.filter { $0 >= 0x20 && $0 < 0x7F || $0 == 256 }
            let pool = plain.isEmpty || random.next() % 16 == 0 ? allowed : plain
            var token = pool[Int(random.next() % UInt64(pool.count))]
            // What closes is drawn more often.
            if random.next() % 3 == 0, let close = closing.filter(allowed.contains).randomElement(using: &random) {
                token = close
            }
            try matcher.accept(token)
            if token == 256 { return String(validating: bytes, as: UTF8.self) }
            bytes.append(UInt8(token))
        }
        return nil
    }

    @Test func familiesWithoutJSONWriteTheirOwn() throws {
        for (signs, opening) in [
            ("<start_function_call>", "<start_function_call>call:get_weather{"), ("<|tool_call>", "<|tool_call>call:"),
            ("<|python_start|>", "get_weather("), ("<function=", "<tool_call>\n<function=get_weather>"),
        ] {
            let calls = try forced(signs, Self.tools).calls
            #expect(calls.alternatives[0].opening.hasPrefix(opening))
            #expect(
                try forced(signs, Self.nested).calls.alternatives[0].opening.contains("\"put\"")
                    == (signs != "<function="))
        }
    }
}

/// The same numbers everywhere (splitmix64).
private struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
