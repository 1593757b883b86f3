import Foundation
import MartletGrammar
import MartletJSON
import Testing
import TinyModels

/// Schemas against the jsonschema wheel's opinion of instances (Goldens/make_schema_cases.py).
struct SchemaOracleTests {
    struct Case {
        var schema: JSON
        var valid: [String]
        var invalid: [String]
    }

    static let cases: [Case] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appending(path: "Goldens/schema-cases.json")
        guard let data = try? Data(contentsOf: file), let list = try? JSON(parsing: data).array else { return [] }
        return list.map { value in
            func texts(_ key: String) -> [String] { value[key]?.array?.compactMap(\.string) ?? [] }
            return Case(schema: value["schema"] ?? .null, valid: texts("valid"), invalid: texts("invalid"))
        }
    }()

    @Test func theGoldensAreThere() { #expect(Self.cases.count > 100) }

    @Test(arguments: [JSONSpacing.compact, .single, .lines])
    func whatIsValidIsAcceptedAndNothingElse(_ spacing: JSONSpacing) throws {
        for test in Self.cases {
            do {
                let runner = try GrammarRunner(.jsonSchema(test.schema, spacing))
                for text in test.valid {
                    #expect(try runner.accepts(text), "\(test.schema.text()) refuses \(text)")
                }
                for text in test.invalid {
                    #expect(try !runner.accepts(text), "\(test.schema.text()) accepts \(text)")
                }
            } catch {
                Issue.record("\(test.schema.text()): \(error)")
            }
        }
    }

    /// Whatever the masks let through is JSON that the schema's shapes admit.
    @Test(arguments: [JSONSpacing.compact, .lines])
    func walksThroughTheMasksAreValid(_ spacing: JSONSpacing) throws {
        var ended = 0
        for (number, test) in Self.cases.enumerated() {
            let runner = try GrammarRunner(.jsonSchema(test.schema, spacing))
            var random = SmallRandom(UInt64(number))
            for _ in 0..<12 {
                let (bytes, hasEnded) = try runner.walk(&random, most: 600)
                guard hasEnded else { continue }
                ended += 1
                do {
                    let value = try JSON(parsing: bytes)
                    #expect(
                        try SchemaCheck.admits(test.schema, value),
                        "\(test.schema.text()) gives \(String(decoding: bytes, as: UTF8.self))")
                } catch let error as JSONError where error.reason.contains("appears twice") {
                    // Names beyond those that are known may repeat: the last counts, as for most readers of JSON.
                } catch let error as JSONError where error.reason.contains("beyond the range") {
                    // A free number of 15 digits and an exponent of two is within range; this would be a mistake.
                    Issue.record("\(error)")
                }
            }
        }
        #expect(ended > Self.cases.count * 3)
    }
}
