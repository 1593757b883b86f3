import HTTPTypes
import Hummingbird
import Logging
import MartletAPI
import NIOCore

/// What Hummingbird hands over with a request.
struct ServerContext: InitializableFromSource {
    let channel: any Channel
    init(source: ApplicationRequestContextSource) { channel = source.channel }
}

/// Every check between a request and its handler, in one place and order: is the server open, may this host and site
/// ask, is there a key for it, does the route exist, does the key allow it, is there quota left, is the body in bounds.
struct Responder: HTTPResponder {
    typealias Context = ServerContext

    let server: Server
    let table: RouteTable

    func respond(to request: Request, context: ServerContext) async -> Response {
        let requestID = RequestID.of(request.head)
        var logger = server.logger
        logger[metadataKey: "request_id"] = .string(requestID)
        let record = CallRecord(server, request.head, logger: logger)
        let connection = server.connections[context.channel] ?? Connection()
        var response: Response
        do {
            let target = RequestTarget(request.head.path ?? "/")
            response = try await answer(
                request, target: target, connection: connection, requestID: requestID, record: record, logger: logger)
        } catch {
            response = Response(Failure.refusal(error, requestID: requestID, logger: logger))
        }
        // Whatever is left of the body would have to be read to use the connection again.
        if record.isBodyLeft { response.headers[.connection] = "close" }
        finish(&response, request.head, requestID: requestID, record: record)
        return response
    }

    private func finish(_ response: inout Response, _ head: HTTPRequest, requestID: String, record: CallRecord) {
        response.headers[.requestID] = requestID
        response.headers[.xContentTypeOptions] = "nosniff"
        for field in server.rules.fields(origin: head.headerFields[.origin]) {
            response.headers[field.name] = field.value
        }
        if let meter = record.meter { for field in meter.fields() { response.headers[field.name] = field.value } }
        if server.isDraining { response.headers[.connection] = "close" }
        record.status = response.status.code
        if head.method == .head {
            let length = response.headers[.contentLength]
            response.body = ResponseBody()
            response.headers[.contentLength] = length
        } else if response.body.contentLength == nil {
            let body = response.body
            response.body = ResponseBody { writer in
                // Ends with the stream, however that ends.
                defer { record.end() }
                try await body.write(writer)
            }
            return
        }
        record.end()
    }

    private func answer(
        _ request: Request, target: RequestTarget?, connection: Connection, requestID: String, record: CallRecord,
        logger: Logger
    ) async throws -> Response {
        let head = request.head
        guard let target else {
            throw APIError("The request's path is no UTF-8 or has a broken escape.", code: "bad_path")
        }
        let match = table.match(head.method, target.path)
        if case .route(let route, _) = match { record.route = route.path }
        try checkOpen(match)
        guard server.rules.allows(host: head.authority) else {
            throw APIError(
                status: 403, "This server is not known as \"\(head.authority ?? "")\"; see --allow-host.",
                type: "permission_error", code: "host_not_allowed")
        }
        let origin = head.headerFields[.origin]
        if head.method == .options { return options(match, origin: origin) }
        if let origin, head.method != .get, head.method != .head,
            !server.rules.allows(origin: origin, authority: head.authority)
        {
            throw APIError(
                status: 403, "Pages of \(origin) may not use this server; see --allow-origin.",
                type: "permission_error", code: "origin_not_allowed")
        }
        var caller = Caller(name: nil, scopes: [.open])
        if case .route(let route, _) = match, route.scope == .open {
        } else {
            caller = try server.caller(head.headerFields)
        }
        record.caller = caller.name

        guard case .route(let route, let parameters) = match else { return Self.nothing(match, head, target) }
        guard route.scope == .open || caller.scopes.contains(route.scope) else {
            throw APIError(
                status: 403,
                "This needs the scope \"\(route.scope.rawValue)\", which "
                    + (caller.name == nil ? "takes a key." : "this key lacks."),
                type: "permission_error", code: "insufficient_scope")
        }
        if route.scope == .inference, head.method == .post, let meter = caller.meter { try record.begin(meter) }
        let body = try await body(of: request, connection: connection, record: record)
        let call = Call(
            head: head, parameters: parameters, query: target.query, body: body, caller: caller, requestID: requestID,
            connection: connection, logger: logger, note: record.note)
        return try await connection.whileOpen { try await route.handler(call) }
    }

    private func checkOpen(_ match: RouteTable.Match) throws(APIError) {
        guard server.isDraining else { return }
        if case .route(let route, _) = match, route.answersWhileDraining { return }
        throw APIError(
            status: 503, "The server is shutting down.", type: "server_error", code: "shutting_down",
            retryAfterSeconds: 5)
    }

    private func options(_ match: RouteTable.Match, origin: String?) -> Response {
        var methods = "GET, HEAD, POST, OPTIONS"
        switch match {
        case .otherMethods(let others): methods = others.map(\.rawValue).joined(separator: ", ")
        case .route, .none: break
        }
        var response = Response(status: .noContent, headers: [.allow: methods])
        for field in server.rules.preflightFields(origin: origin, methods: methods) {
            response.headers[field.name] = field.value
        }
        return response
    }

    /// The answer where there is no route.
    private static func nothing(_ match: RouteTable.Match, _ head: HTTPRequest, _ target: RequestTarget) -> Response {
        guard case .otherMethods(let methods) = match else {
            return Response(
                APIError(status: 404, "There is nothing at \(target.path.prefix(200)).", code: "not_found"))
        }
        let allowed = methods.map(\.rawValue).joined(separator: ", ")
        var response = Response(
            APIError(
                status: 405, "\(head.method.rawValue) is not for \(target.path.prefix(200)); it takes \(allowed).",
                code: "method_not_allowed"))
        response.headers[.allow] = allowed
        return response
    }

    /// Reads the whole body, within its bound.
    private func body(of request: Request, connection: Connection, record: CallRecord) async throws -> [UInt8] {
        let limit = server.settings.limits.body
        let announced = request.head.headerFields[.contentLength].flatMap { Int($0) }
        if let announced, announced > limit { throw Self.tooLarge(limit) }
        if let encoding = request.head.headerFields[.contentEncoding], encoding.lowercased() != "identity" {
            throw APIError(
                status: 415, "Bodies in Content-Encoding \"\(encoding.prefix(40))\" are not read; send them plain.",
                code: "unsupported_encoding")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(announced ?? 0)
        for try await buffer in request.body {
            guard bytes.count + buffer.readableBytes <= limit else { throw Self.tooLarge(limit) }
            bytes.append(contentsOf: buffer.readableBytesView)
        }
        record.isBodyLeft = false
        // A client that went away in between ends the body, too.
        guard !connection.isClosed || bytes.count == announced ?? bytes.count else { throw CancellationError() }
        return bytes
    }

    private static func tooLarge(_ limit: Int) -> APIError {
        APIError(status: 413, "The request's body has more than \(limit) bytes.", code: "request_too_large")
    }
}
