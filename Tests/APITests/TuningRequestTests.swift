import MartletAPI
import MartletJSON
import Testing

/// Bodies that begin a run of training, and those that ask for adapters by their places.
struct TuningRequestTests {
    @Test func aRequestIsReadWithItsRowsAndOptions() throws {
        let request = try TuningRequest(
            Array(
                #"""
                {"name": "id-1", "method": "sft", "model": "smollm2", "data": ["a.json"], "resume": true,
                 "upload": {"name": "b.jsonl", "text": "{}"}, "options": {"rank": 4, "adapter": "lora", "patience": null}}
                """#.utf8))
        #expect(request.name == "id-1" && request.method == "sft" && request.model == "smollm2" && request.resumes)
        #expect(request.data == ["a.json"] && request.upload == .init(name: "b.jsonl", text: "{}"))
        #expect(request.options["rank"]?.integer == 4 && request.options["adapter"]?.string == "lora")
        let least = try TuningRequest(Array(#"{"name": "x"}"#.utf8))
        #expect(least.data.isEmpty && least.upload == nil && !least.resumes && least.options.isEmpty)
    }

    @Test(arguments: [
        (#"{}"#, "name"), (#"{"name": ""}"#, "name"), (#"{"name": "../x"}"#, "name"), (#"{"name": ".tuning"}"#, "name"),
        (#"{"name": "a/b"}"#, "name"), (#"{"name": "-rf"}"#, "name"), (#"{"name": "ü"}"#, "name"),
        (#"{"name": "x", "data": "a"}"#, "data"), (#"{"name": "x", "data": [1]}"#, "data[0]"),
        (#"{"name": "x", "options": {"a": [1]}}"#, "options.a"), (#"{"name": "x", "options": []}"#, "options"),
        (#"{"name": "x", "upload": {"name": "a.json"}}"#, "upload.text"), (#"{"name": "x", "resume": 1}"#, "resume"),
        (#"{"name": "x", "command": "rm"}"#, "command"),
        (#"{"name": "x", "upload": {"path": "/etc/passwd"}}"#, "upload.name"),
    ]) func whatIsWrongIsRefusedByName(_ body: String, _ parameter: String) {
        let error = #expect(throws: APIError.self) { try TuningRequest(Array(body.utf8)) }
        #expect(error?.parameter == parameter && error?.status == 400)
    }

    @Test func adaptersAreScaledForARequest() throws {
        func scales(_ lora: String) throws -> [(id: Int, scale: Double)]? {
            try GenerationRequest(llamaCompletion: Array(#"{"prompt": "a", "lora": \#(lora)}"#.utf8)).adapterScales
        }
        let found = try #require(try scales(#"[{"id": 1, "scale": 0.5}, {"id": 0}]"#))
        #expect(found.map(\.id) == [1, 0] && found.map(\.scale) == [0.5, 0])
        #expect(try scales("[]")?.isEmpty == true && scales("null") == nil)
        for wrong in [
            #"[{"scale": 1}]"#, #"[{"id": -1, "scale": 1}]"#, #"[{"id": 0, "scale": "a"}]"#, "[1]", #"{"id": 0}"#,
            #"[{"id": 0, "scale": 1e9}]"#, #"[{"id": 0, "scale": null}]"#,
        ] {
            let error = #expect(throws: APIError.self) { try scales(wrong) }
            #expect(error?.parameter?.hasPrefix("lora") == true, "\(wrong)")
        }
    }
}
