import HTTPTypes
import Martlet
import MartletJSON
import NIOCore

/// The training API of CS336's third assignment on this machine: `GET /loss`, `/total_flops_used` and `/previous_runs`, over a
/// `PracticeBudget`. A query's `api_key` is read and not checked.
public struct PracticeServer: Sendable {
    private let desk: Desk
    private let host: String
    private let port: Int

    /// - Parameters:
    ///   - budget: FLOPs that may be asked for.
    ///   - file: remembers what was asked.
    /// - Throws: `EvaluationError` for a file of another budget, `ServerError` for an address that cannot be had.
    public init(host: String, port: Int, budget: Double, seed: UInt64, file: String?) throws {
        try ListeningAddress.check(host: host, port: port)
        (self.host, self.port) = (host, port)
        desk = try Desk(budget: budget, seed: seed, file: file)
    }

    /// Answers until a signal ends it.
    /// - Parameter onRunning: called with the port once requests are accepted.
    public func run(onRunning: @escaping @Sendable (Int?) async -> Void = { _ in }) async throws {
        let limits = ServerLimits()
        let service = HTTPService(
            host: host, port: port, limits: limits, table: ConnectionTable(limit: limits.connections),
            answer: { [desk] request, _ in await Self.answer(request.head, desk) })
        let signals = StopSignals(onFirst: { service.stop() }, onSecond: { _ in })
        defer { signals.stop() }
        try await service.run(onRunning: onRunning)
    }

    private static func answer(_ head: HTTPRequest, _ desk: Desk) async -> Response {
        guard let target = RequestTarget(head.path ?? "/"),
            ["/loss", "/total_flops_used", "/previous_runs"].contains(target.path)
        else { return reply(["detail": "Not Found"], .notFound) }
        guard head.method == .get else { return reply(["detail": "Method Not Allowed"], .methodNotAllowed) }
        return await answer {
            switch target.path {
            case "/loss": try await desk.loss(target.query)
            case "/total_flops_used": await desk.used()
            default: await desk.previous()
            }
        }
    }

    private static func answer(_ work: () async throws -> JSON) async -> Response {
        do {
            return reply(try await work(), .ok)
        } catch let error as EvaluationError {
            return reply(
                ["detail": .string(error.description)], error.task == "query" ? .unprocessableContent : .badRequest)
        } catch {
            return reply(["detail": .string("\(error)")], .internalServerError)
        }
    }

    private static func reply(_ json: JSON, _ status: HTTPResponse.Status) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(ByteBuffer(bytes: json.bytes())))
    }

    /// One question at a time.
    private actor Desk {
        private let budget: PracticeBudget

        init(budget: Double, seed: UInt64, file: String?) throws {
            self.budget = try PracticeBudget(limit: budget, seed: seed, path: file)
        }

        func loss(_ query: [String: String]) throws -> JSON {
            let known = ["d_model", "num_layers", "num_heads", "batch_size", "learning_rate", "train_flops", "api_key"]
            if let name = query.keys.sorted().first(where: { !known.contains($0) }) {
                throw EvaluationError("query", field: name, "is not known; expected \(known.joined(separator: ", "))")
            }
            let loss = try budget.loss(PracticeBudget.Configuration { query[$0] })
            return ["loss": .number(loss), "total_flops_used": .number(budget.used)]
        }

        func used() -> JSON { .number(budget.used) }

        func previous() -> JSON {
            let runs = budget.runs.map { run -> JSON in
                var json = run.configuration.json
                json["loss"] = .number(run.loss)
                return .object(json)
            }
            return ["previous_runs": .array(runs)]
        }
    }
}
