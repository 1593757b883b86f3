import MartletJSON

/// A route as the server's table has it.
public struct OpenAPIRoute: Sendable {
    /// In capitals.
    public var method: String
    /// With `{name}` for its parameters.
    public var path: String
    public var summary: String
    /// No key is needed.
    public var isOpen: Bool

    public init(method: String, path: String, summary: String, isOpen: Bool = false) {
        self.method = method
        self.path = path
        self.summary = summary
        self.isOpen = isOpen
    }
}

/// The OpenAPI 3.1 document of a server: its routes, and for those that this module knows what they take and give.
public enum OpenAPIDocument {
    public static func json(version: String, routes: [OpenAPIRoute]) -> JSON {
        var paths: JSONObject = [:]
        for route in routes {
            let path = route.path.split(separator: "...", omittingEmptySubsequences: false).joined()
            var operations = paths[path]?.object ?? [:]
            operations[route.method.lowercased()] = operation(route, path)
            paths[path] = .object(operations)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Martlet", "version": .string(version),
                "description": "Language models behind the interfaces that clients know.",
            ],
            "security": [["bearer": []], ["key": []]], "paths": .object(paths),
            "components": [
                "securitySchemes": [
                    "bearer": ["type": "http", "scheme": "bearer"],
                    "key": ["type": "apiKey", "in": "header", "name": "x-api-key"],
                ], "schemas": .object(OpenAPISchemas.all),
                "responses": [
                    "Error": [
                        "description": "A refusal that names the parameter.", "content": content("Error"),
                    ]
                ],
            ],
        ]
    }

    private static func operation(_ route: OpenAPIRoute, _ path: String) -> JSON {
        var object = JSONObject([
            ("summary", .string(route.summary)), ("operationId", .string(identifier(route.method, path))),
        ])
        let parameters = path.split(separator: "/").filter { $0.hasPrefix("{") }.map { $0.dropFirst().dropLast() }
        if !parameters.isEmpty {
            object["parameters"] = .array(
                parameters.map { name in
                    ["name": .string(String(name)), "in": "path", "required": true, "schema": ["type": "string"]]
                })
        }
        let body = route.method == "POST" ? OpenAPIBody.known[path] : nil
        if let body {
            object["requestBody"] = ["required": true, "content": content(body.request)]
        }
        var responses: JSONObject = [:]
        if let reply = body?.reply ?? (route.method == "GET" ? OpenAPIBody.replies[path] : nil) {
            var types = content(reply).object ?? [:]
            if let stream = body?.stream { types[stream] = ["schema": ["type": "string"]] }
            responses["200"] = ["description": "Done.", "content": .object(types)]
        } else {
            responses["200"] = ["description": "Done."]
        }
        let error: JSON = ["$ref": "#/components/responses/Error"]
        if body != nil {
            for status in ["400", "404", "408", "411", "413", "415", "422", "429", "501", "503"] {
                responses[status] = error
            }
        }
        if !route.isOpen { for status in ["401", "403"] { responses[status] = error } }
        responses["default"] = error
        object["responses"] = .object(responses)
        if route.isOpen { object["security"] = [] }
        return .object(object)
    }

    private static func content(_ schema: String) -> JSON {
        ["application/json": ["schema": ["$ref": .string("#/components/schemas/\(schema)")]]]
    }

    private static func identifier(_ method: String, _ path: String) -> String {
        let parts = path.split { !($0.isLetter || $0.isNumber) }.map { $0.prefix(1).uppercased() + $0.dropFirst() }
        return method.lowercased() + parts.joined()
    }
}

/// What a route takes and gives, by the names of schemas.
struct OpenAPIBody: Sendable {
    var request: String
    var reply: String
    /// Content type of the streamed reply.
    var stream: String?

    static let known: [String: OpenAPIBody] = {
        let chat = OpenAPIBody(
            request: "ChatCompletionRequest", reply: "ChatCompletion", stream: ServerEvent.contentType)
        let completion = OpenAPIBody(request: "CompletionRequest", reply: "Completion", stream: ServerEvent.contentType)
        let embeddings = OpenAPIBody(request: "EmbeddingsRequest", reply: "Embeddings")
        let rerank = OpenAPIBody(request: "RerankRequest", reply: "Rerank")
        let score = OpenAPIBody(request: "ScoreRequest", reply: "Score")
        var table: [String: OpenAPIBody] = [
            "/tokenize": OpenAPIBody(request: "TokenizeRequest", reply: "Tokenize"),
            "/detokenize": OpenAPIBody(request: "DetokenizeRequest", reply: "Detokenize"),
            "/apply-template": OpenAPIBody(request: "ApplyTemplateRequest", reply: "ApplyTemplate"),
        ]
        for (names, body) in [
            (["/chat/completions"], chat), (["/completions"], completion), (["/embeddings"], embeddings),
            (["/rerank", "/reranking"], rerank), (["/score"], score),
        ] {
            for name in names { for prefix in ["", "/v1", "/v2"] { table[prefix + name] = body } }
        }
        return table
    }()

    static let replies = [
        "/v1/models": "ModelList", "/models": "ModelList", "/v1/models/{model}": "Model", "/v1/models/{id}": "Model",
    ]
}
