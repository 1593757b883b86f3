import MartletAPI
import MartletJSON
import Testing

struct OpenAPITests {
    /// Every reference leads somewhere, and every schema is reached.
    @Test func theDocumentIsWhole() throws {
        let routes = [
            ("POST", "/v1/chat/completions"), ("POST", "/v1/completions"), ("POST", "/v1/embeddings"),
            ("POST", "/v1/rerank"),
            ("POST", "/v1/score"), ("POST", "/tokenize"), ("POST", "/detokenize"), ("POST", "/apply-template"),
            ("GET", "/v1/models"), ("GET", "/v1/models/{id...}"), ("GET", "/health"), ("POST", "/v1/responses"),
            ("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens"), ("POST", "/api/chat"),
            ("POST", "/api/generate"), ("POST", "/api/embed"), ("POST", "/api/embeddings"), ("POST", "/api/show"),
            ("GET", "/api/tags"), ("GET", "/api/runs"), ("GET", "/api/runs/{name}"), ("GET", "/api/runs/{name}/log"),
            ("POST", "/api/runs/{name}/stop"), ("POST", "/inspect"), ("POST", "/inspect/patch"),
            ("POST", "/inspect/steer"),
            ("POST", "/admin/models/load"),
            ("POST", "/admin/models/unload"), ("GET", "/version"), ("GET", "/props"), ("GET", "/slots"),
            ("GET", "/tokenizer_info"), ("POST", "/completion"), ("POST", "/infill"), ("POST", "/embedding"),
            ("POST", "/generate"), ("POST", "/"), ("POST", "/generate_stream"), ("GET", "/info"), ("POST", "/embed"),
            ("POST", "/similarity"), ("POST", "/pooling"), ("GET", "/load"), ("POST", "/predict"),
            ("POST", "/api/pull"), ("GET", "/v1/responses/{id}"),
            ("GET", "/v1/responses/{id}/input_items"), ("DELETE", "/v1/responses/{id}"),
            ("POST", "/v1/responses/input_tokens"), ("POST", "/v1/load_lora_adapter"),
            ("POST", "/v1/unload_lora_adapter"), ("GET", "/lora-adapters"), ("POST", "/lora-adapters"),
            ("POST", "/api/create"), ("POST", "/api/copy"), ("POST", "/api/runs/{name}/offer"), ("GET", "/api/tune"),
            ("POST", "/api/tune"),
            ("GET", "/api/tune/{name}"), ("POST", "/api/tune/{name}/stop"),
        ].map { OpenAPIRoute(method: $0.0, path: $0.1, summary: "", isOpen: $0.1 == "/health") }
        let document = OpenAPIDocument.json(version: "1", routes: routes)
        let text = document.text()
        let names = try #require(document["components"]?["schemas"]?.object).keys
        for part in text.split(separator: "\"#/components/schemas/").dropFirst() {
            #expect(names.contains(String(part.prefix { $0 != "\"" })))
        }
        for name in names { #expect(text.contains("\"#/components/schemas/\(name)\""), "\(name)") }
        #expect(document["paths"]?["/v1/models/{id}"]?["get"]?["parameters"]?.array?.count == 1)
        #expect(document["paths"]?["/health"]?["get"]?["security"]?.array?.isEmpty == true)
    }
}
