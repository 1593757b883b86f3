import Foundation
import MartletGrammar
import MartletJSON
import Testing

/// Whatever a schema of a megabyte makes long is counted: it ends in seconds, with a grammar or an error.
@Suite struct SchemaWorkTests {
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
    ]

    @Test(arguments: hostile.map(\.name))
    func workIsCounted(_ name: String) throws {
        let schema = try JSON(parsing: try #require(Self.hostile.first { $0.name == name }).schema())
        let begun = processorSeconds
        do throws(GrammarError) { _ = try GrammarRunner(.jsonSchema(schema)) } catch {
            #expect(!error.description.isEmpty)
        }
        // Of this thread, so that it does not matter what else runs; without a bound some of these take minutes.
        #expect(processorSeconds - begun < 10)
    }

    private var processorSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
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
