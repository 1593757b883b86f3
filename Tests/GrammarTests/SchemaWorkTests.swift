import Foundation
import MartletGrammar
import MartletJSON
import Synchronization
import Testing

/// Whatever a schema of a megabyte makes long is counted: it ends in seconds, with a grammar or an error.
struct SchemaWorkTests {
    private static func object(_ count: Int, _ member: (Int) -> String) -> String {
        "{" + (0..<count).map(member).joined(separator: ",") + "}"
    }

    private static func list(_ count: Int, _ item: (Int) -> String) -> String {
        "[" + (0..<count).map(item).joined(separator: ",") + "]"
    }

    private static let hostile: [(name: String, schema: @Sendable () -> String)] = [
        (
            "a long name over many",
            {
                let name = String(repeating: "n", count: 400_000)
                return "{\"$defs\":{\"\(name)\":\(object(40_000) { "\"\($0)\":{}" })},\"type\":\"null\"}"
            }
        ),
        (
            "a long name over many that are read",
            {
                let name = String(repeating: "n", count: 400_000)
                let properties = object(20_000) { "\"\($0)\":{\"type\":\"null\"}" }
                return "{\"properties\":{\"\(name)\":{\"properties\":\(properties)}}}"
            }
        ),
        (
            "many anchors below a long name",
            {
                let name = String(repeating: "n", count: 400_000)
                let anchors = object(15_000) { "\"\($0)\":{\"$anchor\":\"a\($0)\"}" }
                return "{\"$defs\":{\"\(name)\":\(anchors)},\"type\":\"null\"}"
            }
        ),
        (
            "nested a hundred deep",
            {
                let open = String(repeating: "{\"\(String(repeating: "n", count: 4000))\":", count: 200)
                return "{\"$defs\":\(open)\(object(20_000) { "\"\($0)\":0" })\(String(repeating: "}", count: 200))}"
            }
        ),
        ("many required names", { "{\"type\":\"object\",\"required\":\(list(70_000) { "\"n\($0)\"" })}" }),
        (
            "many required names, counted",
            {
                "{\"type\":\"object\",\"maxProperties\":60000,\"required\":\(list(60_000) { "\"n\($0)\"" })}"
            }
        ),
        (
            "many required names in both",
            {
                let names = list(30_000) { "\"n\($0)\"" }
                return "{\"type\":\"object\",\"allOf\":[{\"required\":\(names)},{\"required\":\(names)}]}"
            }
        ),
        (
            "two long lists of values",
            {
                let (rising, falling) = (list(60_000) { "\($0)" }, list(60_000) { "\(70_000 - $0)" })
                return "{\"allOf\":[{\"enum\":\(rising)},{\"enum\":\(falling)}]}"
            }
        ),
        (
            "two long lists of forbidden values",
            {
                let (some, others) = (list(50_000) { "\($0)" }, list(50_000) { "\(9 + $0)" })
                return "{\"allOf\":[{\"not\":{\"enum\":\(some)}},{\"not\":{\"enum\":\(others)}}]}"
            }
        ),
        (
            "values and a divisor",
            {
                "{\"type\":\"integer\",\"multipleOf\":19997,\"enum\":\(list(60_000) { "\($0 * 3)" })}"
            }
        ),
        ("many divisors", { "{\"type\":\"integer\",\"allOf\":\(list(500) { "{\"multipleOf\":\(19_000 + $0)}" })}" }),
        (
            "many prefixes",
            {
                "{\"allOf\":\(list(400) { _ in "{\"prefixItems\":\(list(300) { _ in "{}" })}" })}"
            }
        ),
        (
            "many references",
            {
                let references = list(60) { _ in "{\"$ref\":\"#/$defs/a\"}" }
                return "{\"$defs\":{\"a\":{}},\"allOf\":\(list(500) { _ in "{\"anyOf\":\(references)}" })}"
            }
        ),
        (
            "many patterns of names",
            {
                "{\"patternProperties\":\(object(20_000) { "\"^n\($0)$\":{}" })}"
            }
        ),
        (
            "different items of a long list",
            {
                "{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"enum\":\(list(90_000) { "\($0)" })}}"
            }
        ),
        (
            "exclusive alternatives",
            {
                let branches = list(500) {
                    "{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\($0)}},\"required\":[\"k\"]}"
                }
                return "{\"oneOf\":\(branches)}"
            }
        ),
        (
            "a long string and many patterns",
            {
                let text = String(repeating: "a", count: 500_000)
                return "{\"const\":\"\(text)\",\"allOf\":\(list(400) { "{\"pattern\":\"^a{\($0 + 1),}\"}" })}"
            }
        ),
        (
            "many patterns with a part that nothing leads to",
            {
                "{\"type\":\"array\",\"prefixItems\":"
                    + list(1200) { "{\"type\":\"string\",\"pattern\":\"^a|[]{\(98_000 + $0)}\"}" } + "}"
            }
        ),
        (
            "a pattern of a great many anchors",
            { "{\"type\":\"string\",\"pattern\":\"\(String(repeating: "^", count: 800_000))a\"}" }
        ),
    ]

    @Test(arguments: hostile.map(\.name))
    func workIsCounted(_ name: String) throws {
        let schema = try JSON(parsing: try #require(Self.hostile.first { $0.name == name }).schema())
        let begun = processorSeconds
        do throws(GrammarError) { _ = try GrammarRunner(.jsonSchema(schema)) } catch {
            #expect(!error.description.isEmpty)
        }
        // Of this thread, so that it does not matter what else runs; without a bound some of these take minutes.
        #expect(processorSeconds - begun < 30)
    }

    /// Parts of a grammar that `root` leads to, and that lead nowhere, are counted as they are made.
    @Test(arguments: ["[]{199900}", "[] [^a]{5000}", "([] | [] | []){40000}"])
    func partsThatLeadNowhereAreCounted(_ part: String) {
        let rules = (0..<400).map { "r\($0) ::= \(part)" }.joined(separator: "\n")
        let called = (0..<400).map { "r\($0)" }.joined(separator: " | ")
        let begun = processorSeconds
        #expect(throws: GrammarError.tooLarge(what: "steps of compilation", limit: GrammarLimits().work)) {
            _ = try GrammarRunner(.gbnf("root ::= \"a\" | \(called)\n\(rules)\n"))
        }
        #expect(processorSeconds - begun < 30)
    }

    /// Rules that `root` does not lead to cost what reading them costs; mistakes in them are told all the same.
    @Test func rulesThatNothingCallsAreNotBuilt() throws {
        let rules = (0..<9000).map { "r\($0) ::= []{199900} r\(($0 + 1) % 9000)" }.joined(separator: "\n")
        let begun = processorSeconds
        let runner = try GrammarRunner(.gbnf("root ::= \"a\"\n\(rules)\n"))
        #expect(processorSeconds - begun < 30)
        #expect(try runner.accepts("a") && !runner.accepts("aa"))
        for mistake in ["x ::= \"b", "x ::= y", "x ::= [z-a]", "x ::= \"b\"\nx ::= \"c\""] {
            #expect(throws: GrammarError.self) { _ = try GrammarRunner(.gbnf("root ::= \"a\"\n\(mistake)\n")) }
        }
    }

    /// Whoever leaves while a part is made that nothing reaches ends the compilation within it.
    @Test func buildingAsksWhetherSomebodyWaits() {
        var limits = GrammarLimits()
        limits.work = .max / 2
        let asked = Atomic(0)
        let compiler = GrammarCompiler(GrammarRunner.tree, limits: limits)
        #expect(throws: GrammarError.cancelled) {
            _ = try compiler.compile(.regularExpression("a|[]{99000}")) {
                asked.add(1, ordering: .relaxed).newValue == 2
            }
        }
    }

    @Test func manyCharactersRepeatedAreCounted() throws {
        let letters = String(
            String.UnicodeScalarView((0..<10_000).compactMap { Unicode.Scalar(UInt32(0x4E00 + $0 * 2)) }))
        for source in [
            GrammarSource.gbnf("root ::= [\(letters)]{2000}"), .regularExpression("[\(letters)]{2000}"),
        ] { #expect(throws: GrammarError.self) { _ = try GrammarRunner(source) } }
    }

    @Test func aCompilationThatNobodyWaitsForEnds() throws {
        let schema = try JSON(parsing: "{\"enum\":\(Self.list(20_000) { "\"value \($0)\"" })}")
        let compiler = GrammarCompiler(GrammarRunner.tree)
        #expect(throws: GrammarError.cancelled) { _ = try compiler.compile(.jsonSchema(schema)) { true } }
    }
}
