import HTTPTypes
import Logging
import MartletAPI
import MartletSystem
import NIOCore

/// All checks between a request and its handler, in order: whether the server is open, host and origin are allowed, the
/// key is valid, the route exists, the key has its scope, quota is left, and the body is within its limit.
struct Responder {
    let server: Server
    let table: RouteTable

    @Sendable func respond(to request: Request, on channel: any Channel) async -> Response {
        let requestID = RequestID.of(request.head)
        var logger = server.logger
        logger[metadataKey: "request_id"] = .string(requestID)
        let record = CallRecord(server, request.head, logger: logger)
        let connection = server.connections[channel] ?? Connection()
        var response: Response
        do {
            response = try await answer(
                request, target: RequestTarget(request.head.path ?? "/"), connection: connection, requestID: requestID,
                record: record, logger: logger)
        } catch {
            let shape = errorShape(request.head)
            response = Response(Failure.refusal(error, requestID: requestID, logger: logger), shape)
        }
        // To reuse the connection, the rest of the body would have to be read; so it is closed.
        if record.isBodyLeft || connection.isBeyondLimit.load(ordering: .relaxed) {
            response.headers[.connection] = "close"
        }
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
                // Ends with the stream, however it ends.
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
            throw APIError("The request's path is not UTF-8 or has an invalid escape.", code: "bad_path")
        }
        let match = table.match(head.method, target.path)
        if case .route(let route, _) = match { record.route = route.path }
        try checkRoom(match, connection)
        try checkOpen(match)
        if let expected = head.headerFields[.expect], expected.lowercased() != "100-continue" {
            throw APIError(
                status: 417, "Expect \"\(expected.shown(limit: 40))\" is not supported; use 100-continue.",
                code: "expectation_failed")
        }
        guard server.rules.allows(host: head.authority) else {
            throw APIError(
                status: 403,
                "This server is not known as \(head.authority.map { $0.quoted(limit: 200) } ?? "nothing"); see --allow-host.",
                type: "permission_error", code: "host_not_allowed")
        }
        if head.method == .options { return options(match, origin: head.headerFields[.origin]) }
        if case .route(let route, _) = match, !route.changesState {
        } else if !server.rules.allowsChange(head) {
            let site = head.headerFields[.origin].map { $0.shown(limit: 200) } ?? "another site"
            throw APIError(
                status: 403, "Pages of \(site) may not use this server; see --allow-origin.",
                type: "permission_error", code: "origin_not_allowed")
        }
        var caller = Caller(name: nil, scopes: [.open])
        if case .route(let route, _) = match, route.scope == .open {
        } else {
            caller = try server.caller(head.headerFields)
        }
        record.caller = caller.name

        guard case .route(let route, let parameters) = match else {
            return nothing(match, head, target, errorShape(head))
        }
        guard route.scope == .open || caller.scopes.contains(route.scope) else {
            throw APIError(
                status: 403,
                "This needs the scope \"\(route.scope.rawValue)\", which "
                    + (caller.name == nil ? "takes a key." : "this key lacks."),
                type: "permission_error", code: "insufficient_scope")
        }
        if route.scope == .inference, head.method == .post, let meter = caller.meter { try record.begin(meter) }
        let share = server.bodies.share()
        let body = try await body(of: request, share: share, connection: connection, record: record)
        let call = Call(
            head: head, parameters: parameters, query: target.query, body: body, caller: caller, requestID: requestID,
            connection: connection, logger: logger, note: record.note)
        guard route.scope != .open else {
            return try await connection.whileOpen(on: connection.executor) { try await route.handler(call) }
        }
        return try await connection.whileOpen(on: WorkLane.lane(forBytes: body.count)) {
            defer { share.release() }
            if body.count > BodyBudget.free { try share.grow(to: body.count.adding(clamped: JSONRoom.bytes(of: body))) }
            try Task.checkCancellation()
            return try await route.handler(call)
        }
    }

    /// Health checks are answered even when the connection limit is reached.
    private func checkRoom(_ match: RouteTable.Match, _ connection: Connection) throws(APIError) {
        guard connection.isBeyondLimit.load(ordering: .relaxed) else { return }
        if case .route(let route, _) = match, route.answersWhileDraining { return }
        throw APIError(
            status: 503, "All \(server.settings.limits.connections) connections are busy. Try again.",
            type: "unavailable_error", code: "overloaded", retryAfterSeconds: 1)
    }

    private func checkOpen(_ match: RouteTable.Match) throws(APIError) {
        guard server.isDraining else { return }
        if case .route(let route, _) = match, route.answersWhileDraining { return }
        throw APIError(
            status: 503, "The server is shutting down.", type: "server_error", code: "shutting_down",
            retryAfterSeconds: 5)
    }

    /// The error shape for a caller: by the version header of Anthropic's clients, by the route, or by paths that only
    /// one dialect uses.
    private func errorShape(_ head: HTTPRequest) -> ErrorShape {
        if head.headerFields[.anthropicVersion] != nil { return .anthropic }
        guard let path = RequestTarget(head.path ?? "/")?.path else { return .openAI }
        if case .route(let route, _) = table.match(head.method, path) { return route.errors }
        if path.hasPrefix("/v1/messages") { return .anthropic }
        let isOurs = path.hasPrefix("/api/runs") || path.hasPrefix("/api/tune")
        return path.hasPrefix("/api/") && !isOurs ? .ollama : .openAI
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

    /// The response if there is no route.
    private func nothing(
        _ match: RouteTable.Match, _ head: HTTPRequest, _ target: RequestTarget, _ shape: ErrorShape
    ) -> Response {
        guard case .otherMethods(let methods) = match else {
            if target.path.hasPrefix("/slots/") {
                let why =
                    "Slots of llama.cpp are not saved, restored or erased here: beginnings of prompts stay in the cache by "
                    + "themselves (serve --cache-memory), and cache_salt keeps requests apart. GET /slots lists them."
                return Response(APIError(status: 501, why, type: "not_supported_error", code: "not_supported"), shape)
            }
            let isLong = target.path.utf8.count > 64
            let paths = isLong ? [] : table.routes.map(\.path).filter { !$0.contains("{") }
            let meant = Spelling.nearest(to: target.path, among: paths).map { " Did you mean \($0)?" } ?? ""
            return Response(
                APIError(
                    status: 404, "There is no route \(target.path.shown(limit: 200)).\(meant)", code: "not_found"),
                shape)
        }
        let allowed = methods.map(\.rawValue).joined(separator: ", ")
        var response = Response(
            APIError(
                status: 405,
                "\(head.method.rawValue.shown(limit: 40)) is not for \(target.path.shown(limit: 200)); it takes \(allowed).",
                code: "method_not_allowed"), shape)
        response.headers[.allow] = allowed
        return response
    }

    /// Reads the whole body, within its limit. Memory grows with the bytes received, not with the announced length.
    private func body(
        of request: Request, share: BodyBudget.Share, connection: Connection, record: CallRecord
    ) async throws -> [UInt8] {
        let limit = server.settings.limits.body
        let announced = request.head.headerFields[.contentLength].flatMap { Int($0) }
        if let announced, announced > limit { throw Self.tooLarge(limit) }
        if let encoding = request.head.headerFields[.contentEncoding], encoding.lowercased() != "identity" {
            throw APIError(
                status: 415,
                "Bodies in Content-Encoding \"\(encoding.shown(limit: 40))\" are not supported; send them uncompressed.",
                code: "unsupported_encoding")
        }
        var bytes: [UInt8] = []
        while let buffer = try await request.body.next() {
            let count = bytes.count + buffer.readableBytes
            guard count <= limit else { throw Self.tooLarge(limit) }
            if count > bytes.capacity {
                let room = max(count, min(bytes.capacity * 2, announced ?? limit))
                try share.grow(to: room)
                bytes.reserveCapacity(room)
            }
            bytes.append(contentsOf: buffer.readableBytesView)
        }
        record.isBodyLeft = false
        // A disconnected client also ends the body.
        guard !connection.isClosed || bytes.count == announced ?? bytes.count else { throw CancellationError() }
        return bytes
    }

    private static func tooLarge(_ limit: Int) -> APIError {
        APIError(status: 413, "The request's body has more than \(limit) bytes.", code: "request_too_large")
    }
}

/// The memory of a body parsed as JSON.
enum JSONRoom {
    /// An upper bound, for a text whose commas and brackets all separate values.
    static func bytes(of body: [UInt8]) -> Int {
        let separators = body.reduce(0) { count, byte in
            let isSeparator = byte == UInt8(ascii: ",") || byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{")
            return count &+ (isSeparator ? 1 : 0)
        }
        return min(separators, RequestLimits().jsonValues).multiplied(clampedBy: 48)
    }
}
