import MartletAPI

extension Server {
    /// The table of routes as an OpenAPI document.
    func openAPIRoute(_ routes: [Route]) -> Route {
        let rows = routes.filter { !$0.path.hasPrefix("/ui") }.map {
            OpenAPIRoute(
                method: $0.method.rawValue, path: $0.path, summary: $0.summary, isOpen: $0.scope == .open)
        }
        let document = OpenAPIDocument.json(version: Self.version, routes: rows)
        return Route(.get, "/openapi.json", scope: .inference, summary: "This document.") { _ in .json(document) }
    }
}
