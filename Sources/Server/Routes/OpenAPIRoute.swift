import Hummingbird
import MartletAPI
import MartletJSON

extension Server {
    /// What the table of routes says, as OpenAPI.
    func openAPIRoute(_ routes: [Route]) -> Route {
        var paths: JSONObject = [:]
        for route in routes where !route.path.hasPrefix("/ui") {
            let path = route.path.split(separator: "...", omittingEmptySubsequences: false).joined()
            var operations = paths[path]?.object ?? [:]
            var operation: JSONObject = [
                "summary": .string(route.summary),
                "responses": ["default": ["description": "A reply, or an error in OpenAI's shape."]],
            ]
            if route.scope == .open { operation["security"] = [] }
            operations[route.method.rawValue.lowercased()] = .object(operation)
            paths[path] = .object(operations)
        }
        let document: JSON = [
            "openapi": "3.1.0", "info": ["title": "Martlet", "version": .string(Self.version)],
            "security": [["bearer": []]],
            "components": ["securitySchemes": ["bearer": ["type": "http", "scheme": "bearer"]]],
            "paths": .object(paths),
        ]
        return Route(.get, "/openapi.json", scope: .inference, summary: "This document.") { _ in .json(document) }
    }
}
