import HTTPTypes
import MartletAPI

/// The permission needed for a route.
package enum Scope: String, Sendable, CaseIterable {
    /// No permission: health checks and the pages, which contain no data.
    case open
    case inference
    case metrics
    /// Loading and unloading models.
    case admin
}

/// A row of the table of routes: everything that routing, keys, metrics and the OpenAPI document need.
package struct Route: Sendable {
    package typealias Handler = @Sendable (Call) async throws -> Response

    package let method: HTTPRequest.Method
    /// `{name}` is one component of the path; `{name...}` at the end is the rest of it.
    package let path: String
    package let scope: Scope
    package let summary: String
    /// Whether it is answered while the server drains, and when the connection limit is reached.
    package let answersWhileDraining: Bool
    /// Whether it may change what is loaded or running: pages of other origins must not trigger it.
    package let changesState: Bool
    /// The error shape of its responses.
    package let errors: ErrorShape
    package let handler: Handler

    /// - Parameter changesState: nil derives it from the method: GET only reads.
    package init(
        _ method: HTTPRequest.Method, _ path: String, scope: Scope, summary: String, answersWhileDraining: Bool = false,
        changesState: Bool? = nil, errors: ErrorShape = .openAI, _ handler: @escaping Handler
    ) {
        self.method = method
        self.path = path
        self.scope = scope
        self.summary = summary
        self.answersWhileDraining = answersWhileDraining
        self.changesState = changesState ?? (method != .get)
        self.errors = errors
        self.handler = handler
    }

    /// This route, and the same without its `/v1`, for clients whose base URL ends with the port.
    package var withAndWithoutVersion: [Route] {
        guard path.hasPrefix("/v1/") else { return [self] }
        let shown = path.replacing("...}", with: "}")
        return [
            self,
            Route(
                method, String(path.dropFirst("/v1".count)), scope: scope, summary: "As \(shown).",
                answersWhileDraining: answersWhileDraining, changesState: changesState, errors: errors, handler),
        ]
    }
}

/// Finds the route of a request.
package struct RouteTable: Sendable {
    package let routes: [Route]
    private var plain: [String: [Route]] = [:]
    private var patterns: [(parts: [Substring], route: Route)] = []

    package enum Match {
        case route(Route, parameters: [String: String])
        /// The path exists, but not with this method.
        case otherMethods([HTTPRequest.Method])
        case none
    }

    package init(_ routes: [Route]) {
        self.routes = routes
        for route in routes {
            if route.path.contains("{") {
                patterns.append((Self.parts(route.path), route))
            } else {
                plain[route.path, default: []].append(route)
            }
        }
    }

    private static func parts(_ path: String) -> [Substring] {
        path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    }

    /// HEAD is GET without the body.
    package func match(_ method: HTTPRequest.Method, _ path: String) -> Match {
        let wanted = method == .head ? .get : method
        var found: [(route: Route, parameters: [String: String])] = (plain[path] ?? []).map { ($0, [:]) }
        if found.isEmpty {
            let parts = Self.parts(path)
            for pattern in patterns {
                if let parameters = Self.parameters(of: parts, pattern.parts) {
                    found.append((pattern.route, parameters))
                }
            }
        }
        guard !found.isEmpty else { return .none }
        if let hit = found.first(where: { $0.route.method == wanted }) {
            return .route(hit.route, parameters: hit.parameters)
        }
        var methods = found.map(\.route.method)
        if methods.contains(.get) { methods.append(.head) }
        return .otherMethods(methods + [.options])
    }

    private static func parameters(of parts: [Substring], _ pattern: [Substring]) -> [String: String]? {
        var result: [String: String] = [:]
        for (index, part) in pattern.enumerated() {
            guard index < parts.count else { return nil }
            if part.hasPrefix("{"), part.hasSuffix("...}") {
                let rest = parts[index...].joined(separator: "/")
                guard !rest.isEmpty else { return nil }
                result[String(part.dropFirst().dropLast(4))] = rest
                return result
            }
            if part.hasPrefix("{"), part.hasSuffix("}") {
                guard !parts[index].isEmpty else { return nil }
                result[String(part.dropFirst().dropLast())] = String(parts[index])
            } else if part != parts[index] {
                return nil
            }
        }
        return parts.count == pattern.count ? result : nil
    }
}
