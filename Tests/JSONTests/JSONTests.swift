import MartletJSON
import Testing

struct JSONTests {
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

    /// config.json of Mamba 2 as Python writes it.
    @Test func infinitiesOfPythonAreNamed() throws {
        let json = try JSON(parsingPython: Array("[0.0, Infinity, -Infinity, NaN, -1]".utf8))
        #expect(json == [0.0, "Infinity", "-Infinity", "NaN", -1])
        #expect(throws: JSONError.self) { try JSON(parsing: "[Infinity]") }
        #expect(throws: JSONError.self) { try JSON(parsingPython: Array("[Infinite]".utf8)) }
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

    @Test func valuesAreBoundedByTheirCount() throws {
        var limits = JSONLimits()
        limits.valueCount = 5
        #expect(try JSON(parsing: "[1,2,3,4]", limits: limits).array?.count == 4)
        #expect(try JSON(parsing: #"{"a":[{}],"b":1}"#, limits: limits).object?.count == 2)
        for text in ["[1,2,3,4,5]", #"[[],[],[],[],[]]"#, #"{"a":1,"b":2,"c":3,"d":4,"e":5}"#] {
            let error = #expect(throws: JSONError.self, "\(text)") { try JSON(parsing: text, limits: limits) }
            #expect(error?.exceedsLimit == true)
        }
        #expect(throws: JSONError.self) { try JSON(parsing: "[1,2", limits: limits) }
    }

    @Test func aReadingEndsWithItsTask() async {
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            var limits = JSONLimits()
            limits.endsWithTask = true
            let numbers = "[" + Array(repeating: "1", count: 10_000).joined(separator: ",") + "]"
            #expect(throws: JSONError.self) { try JSON(parsing: numbers, limits: limits) }
            limits.endsWithTask = false
            #expect((try? JSON(parsing: numbers, limits: limits))?.array?.count == 10_000)
        }
        task.cancel()
        await task.value
    }

    @Test func aLongKeyDoesNotComeBackWhole() {
        let key = String(repeating: "k", count: 100_000)
        for text in [#"{"\#(key)" 1}"#, #"{"\#(key)": 1, "\#(key)": 2}"#, #"{"\u001b[2J": 1, "\u001b[2J": 2}"#] {
            let error = #expect(throws: JSONError.self) { try JSON(parsing: text) }
            #expect(error?.description.utf8.count ?? 1000 < 300)
            #expect(error?.description.contains("\u{1B}") == false)
        }
    }
}
