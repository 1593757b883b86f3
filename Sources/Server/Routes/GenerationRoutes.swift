import Martlet
import MartletAPI
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Server {
    /// Chat and text completions.
    func generationRoutes() -> [Route] {
        let limits = requestLimits
        let chat: Route.Handler = { [self] call in
            try await generate(try GenerationRequest(chatCompletion: call.body, limits: limits), call)
        }
        let complete: Route.Handler = { [self] call in
            try await generate(try GenerationRequest(completion: call.body, limits: limits), call)
        }
        return [
            Route(.post, "/v1/chat/completions", scope: .inference, summary: "A reply to a conversation.", chat),
            Route(.post, "/chat/completions", scope: .inference, summary: "As /v1/chat/completions.", chat),
            Route(.post, "/v1/completions", scope: .inference, summary: "The continuation of a text.", complete),
            Route(.post, "/completions", scope: .inference, summary: "As /v1/completions.", complete),
        ]
    }

    var requestLimits: RequestLimits { RequestLimits() }

    func generate(_ request: GenerationRequest, _ call: Call) async throws -> Response {
        var request = request
        let served = try models.find(request.model, for: .generates, .translates)
        let lease = try await models.use(served.name)
        guard let engine = lease.model.engine else { throw APIError.unknownModel(lease.model.name) }
        call.note.update { $0.model = lease.model.name }
        noteUnknown(request.unknownFields, call)
        // Separate prefix caches per key: reply times must not reveal the prompts of another key.
        request.cacheSalt = call.caller.cacheSalt + "\u{0}" + request.cacheSalt
        let adapter = try await adapter(
            named: request.model, on: served, lease.model, scales: request.adapterScales)
        let plan = try GenerationPlan(
            request, model: engine.model, name: request.model ?? lease.model.name, adapter: adapter)
        var constraint: (any TokenConstraint)?
        if let source = plan.constraint { constraint = try await lease.model.compile(source) }
        let header = ReplyHeader(
            id: plan.identifierPrefix + Self.identifier(), created: Self.now(),
            systemFingerprint: fingerprint(lease.model))
        var requests = plan.engineRequests(
            constraint: constraint, identifier: call.requestID, delivery: .every(settings.limits.delivery))
        for index in requests.indices { requests[index].options.adapter = adapter }
        let run = try GenerationRun(engine, requests)
        // A reply with alternatives for each token is many times longer than its text.
        let long = request.logProbabilities != nil || request.promptLogProbabilities != nil
        guard request.stream != nil else {
            var reply = plan.reply(header)
            var tokens = 0
            defer { note(reply.usage, tokens, call.note) }
            for try await (prompt, events) in run {
                for event in events {
                    if case .token = event { tokens += 1 }
                    _ = reply.add(event, prompt: prompt)
                }
            }
            try Task.checkCancellation()
            try await keep(reply, of: request, for: call.caller.name)
            _ = lease
            guard long else { return .json(reply.json()) }
            let whole = reply
            return .bytes(try await WorkLane.medium.run { whole.json().bytes() }, type: "application/json")
        }
        let blank = plan.reply(header), callNote = call.note, caller = call.caller.name
        let asked = request
        return .stream(
            blank.contentType, to: call, limits: settings.limits,
            on: request.promptLogProbabilities == nil ? nil : WorkLane.medium, failure: { blank.failure($0) }
        ) { [self] sink in
            var reply = blank, tokens = 0
            defer {
                note(reply.usage, tokens, callNote)
                // The lease keeps the model in memory until here.
                _ = lease
            }
            for try await (prompt, events) in run {
                var bytes: [UInt8] = []
                for event in events {
                    if case .token = event { tokens += 1 }
                    bytes += reply.add(event, prompt: prompt)
                }
                // Stored before the client learns its id.
                if case .finished? = events.last { try await keep(reply, of: asked, for: caller) }
                try sink.send(bytes)
            }
            try Task.checkCancellation()
            try sink.send(reply.finish())
        }
    }

    /// What the reply is computed with beside the model.
    /// - Parameter scales: those that the request has of its own, by places in the list.
    func adapter(
        named name: String?, on served: ServedModel, _ model: LoadedModel, scales: [(id: Int, scale: Double)]? = nil
    ) async throws -> LoadedAdapter? {
        let wanted = try models.adapters.wanted(name, base: served, scales: scales)
        guard !wanted.isEmpty else { return nil }
        do {
            return try await models.adapter(wanted, on: model, name: name ?? model.name)
        } catch let error as AdapterError {
            throw APIError(
                status: 503, "The adapter '\(name ?? "")' cannot be used: \(error)", type: "server_error",
                code: "adapter_failed")
        }
    }

    /// Logs request members that were not read.
    func noteUnknown(_ fields: [String], _ call: Call) {
        guard !fields.isEmpty else { return }
        // Member names are text of the client: only as much as is needed to find a typing error.
        let names = fields.prefix(8).map { $0.shown(limit: 80) }.joined(separator: ",")
        call.logger.debug("unknown fields", metadata: ["fields": .string(names), "count": "\(fields.count)"])
    }

    /// Stores a response for requests that continue it.
    private func keep(_ reply: any GenerationReply, of request: GenerationRequest, for caller: String?) async throws {
        guard request.dialect == .responses, request.isStored else { return }
        let kept = keptResponses
        try await WorkLane.medium.run { kept.keep(try KeptResponse(reply.json(), to: request), of: caller) }
    }

    /// - Parameter tokens: the number generated so far, which the usage of an interrupted reply does not include.
    private func note(_ usage: Usage, _ tokens: Int, _ note: CallNote) {
        note.update { content in
            content.promptTokens = usage.promptTokens
            content.cachedTokens = usage.cachedTokens
            content.replyTokens = max(usage.completionTokens, tokens)
        }
    }

    /// Unix time in seconds.
    static func now() -> Int { time(nil) }

    static func identifier() -> String {
        let digits = String(UInt64.random(in: 0...(.max)), radix: 36)
        return String(repeating: "0", count: max(0, 13 - digits.utf8.count)) + digits
    }

    /// Changes with the server version and the model.
    private func fingerprint(_ model: LoadedModel) -> String { "martlet-\(Self.version)-\(model.name)" }
}
