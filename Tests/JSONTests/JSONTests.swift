import MartletJSON
import Testing

@Suite struct JSONTests {
    @Test func keepsKeyOrderAndExactIntegers() throws {
        let value = try JSON(parsing: #"{"z":1,"a":[9223372036854775807,-1,1e3,0.5],"m":{"x":null,"y":true}}"#)
        #expect(value.object?.keys == ["z", "a", "m"])
        #expect(value["a"]?.array?.first?.integer == Int.max)
        #expect(value["a"]?.array?[2].integer == 1000)
        #expect(value.text() == #"{"z":1,"a":[9223372036854775807,-1,1000.0,0.5],"m":{"x":null,"y":true}}"#)
    }

    @Test func keysThatAreCanonicallyEquivalentStayApart() throws {
        let value = try JSON(parsing: "{\"\u{E9}\":1,\"e\u{301}\":2}")
        #expect(value.object?.count == 2)
        #expect(value["\u{E9}"]?.integer == 1)
        #expect(value["e\u{301}"]?.integer == 2)
    }

    @Test func escapesComeBack() throws {
        let value = try JSON(parsing: #""\u00e9\ud83d\ude00\n\t\"\\\/\u0001""#)
        #expect(value.string == "é😀\n\t\"\\/\u{1}")
        #expect(try JSON(parsing: value.text()) == value)
    }

    @Test func largeObjectsAreFoundByKey() throws {
        let members = (0..<5000).map { (key: "key\($0)", value: JSON.integer(Int64($0))) }
        let parsed = try JSON(parsing: JSON.object(JSONObject(members)).text(indent: 2))
        for index in 0..<5000 { #expect(parsed["key\(index)"]?.integer == index) }
        #expect(parsed["key5000"] == nil)
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "01", "1.", "-", "1e", "tru", "\"\\x\"", "\"\\u12\"", "\"abc",
        "\"\\ud800\"", "[1] 2", "{\"a\":1,\"a\":2}", "\"a\nb\"", "1e999", "\"\\", "nul", "{1:2}",
    ])
    func malformedTextIsRefused(_ text: String) {
        #expect(throws: JSONError.self) { try JSON(parsing: text) }
    }

    @Test func nestingIsBounded() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError.self) { try JSON(parsing: deep) }
    }

    @Test func invalidUTF8IsRefused() {
        #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0xFF, 0x22] as [UInt8]) }
    }

    @Test func errorsNameTheLine() {
        do {
            _ = try JSON(parsing: "{\n\"a\": 1,\n\"b\" 2}")
            Issue.record("accepted")
        } catch {
            #expect(error.line == 3)
        }
    }
}
