import MartletData
import Testing

@Suite("Data errors")
struct DataErrorTests {
    @Test("the message names file, place and field, in that order")
    func message() {
        let error = DataError(.malformed, path: "a.jsonl", place: "line 3", field: "text", "expected a string")
        #expect(error.description == "a.jsonl: line 3: \"text\": expected a string")
        #expect(DataError(.invalid, "no shards").description == "no shards")
    }
}
