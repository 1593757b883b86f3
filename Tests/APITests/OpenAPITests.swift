import MartletAPI
import MartletJSON
import Testing

@Suite struct OpenAPITests {
    /// Every reference leads somewhere, and every schema is reached.
    @Test func theDocumentIsWhole() throws {
        let routes = [
            ("POST", "/v1/chat/completions"), ("POST", "/v1/completions"), ("POST", "/v1/embeddings"),
            ("POST", "/v1/rerank"),
            ("POST", "/v1/score"), ("POST", "/tokenize"), ("POST", "/detokenize"), ("POST", "/apply-template"),
            ("GET", "/v1/models"), ("GET", "/v1/models/{id...}"), ("GET", "/health"),
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
