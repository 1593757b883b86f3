import MartletJSON

/// A route of the server's table.
public struct OpenAPIRoute: Sendable {
    /// In uppercase.
    public var method: String
    /// With `{name}` for parameters.
    public var path: String
    public var summary: String
    /// Whether no key is needed.
    public var isOpen: Bool

    public init(method: String, path: String, summary: String, isOpen: Bool = false) {
        self.method = method
        self.path = path
        self.summary = summary
        self.isOpen = isOpen
    }
}

/// The OpenAPI 3.1 document of a server: its routes, with the request and response schemas of those known here.
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
            "security": [["bearer": []], ["key": []], ["azure": []]], "paths": .object(paths),
            "components": [
                "securitySchemes": [
                    "bearer": ["type": "http", "scheme": "bearer"],
                    "key": ["type": "apiKey", "in": "header", "name": "x-api-key"],
                    "azure": ["type": "apiKey", "in": "header", "name": "api-key"],
                ], "schemas": .object(OpenAPISchemas.all),
                "responses": .object(errors),
            ],
        ]
    }

    /// Errors before the dialect is known have OpenAI's shape.
    private static let errors: JSONObject = {
        var errors: JSONObject = [
            "Error": ["description": "A refusal that names the parameter.", "content": content("Error")]
        ]
        for name in ["MessagesError", "OllamaError", "InferenceError"] {
            let schema = OpenAPISchemas.any(OpenAPISchemas.reference(name), OpenAPISchemas.reference("Error"))
            errors[name] = ["description": "A refusal.", "content": ["application/json": ["schema": schema]]]
        }
        return errors
    }()

    private static func operation(_ route: OpenAPIRoute, _ path: String) -> JSON {
        var object = JSONObject([
            ("summary", .string(route.summary)), ("operationId", .string(identifier(route.method, path))),
        ])
        let names = path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
        var parameters = names.map { parameter($0, in: "path", ["type": "string", "minLength": 1]) }
        let body = OpenAPIBody.known[route.method + " " + path]
        for (name, schema) in body?.query ?? [:] { parameters.append(parameter(name, in: "query", schema)) }
        if !parameters.isEmpty { object["parameters"] = .array(parameters) }
        if let request = body?.request {
            object["requestBody"] = ["required": true, "content": content(request)]
        }
        var responses: JSONObject = [:]
        var types: JSONObject = [:]
        if let reply = body?.reply { types = content(reply).object ?? [:] }
        if let text = body?.text { types[text] = ["schema": ["type": "string"]] }
        responses["200"] = ["description": "Done."]
        if !types.isEmpty { responses["200"] = ["description": "Done.", "content": .object(types)] }
        let error: JSON = ["$ref": .string("#/components/responses/\(body?.error ?? "Error")")]
        if body?.request != nil {
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

    private static func parameter(_ name: String, in place: String, _ schema: JSON) -> JSON {
        ["name": .string(name), "in": .string(place), "required": .bool(place == "path"), "schema": schema]
    }

    private static func content(_ schema: String) -> JSON {
        ["application/json": ["schema": ["$ref": .string("#/components/schemas/\(schema)")]]]
    }

    private static func identifier(_ method: String, _ path: String) -> String {
        let parts = path.split { !($0.isLetter || $0.isNumber) }.map { $0.prefix(1).uppercased() + $0.dropFirst() }
        return method.lowercased() + parts.joined()
    }
}
