import MartletJSON
import MartletSystem
import MartletTensor
import MartletTransfer
import Synchronization

/// Sends requests to a server with OpenAI's API and records when each part of the replies arrives.
public final class LoadGenerator: Sendable {
    private let options: LoadOptions
    private let clock = ContinuousClock()
    private let started: ContinuousClock.Instant
    private let records = Mutex<[LoadRecord]>([])
    /// The index of the next request, which the next free client sends.
    private let next = Atomic(0)

    public init(_ options: LoadOptions) {
        self.options = options
        started = clock.now
    }

    /// The number of finished requests so far, and the tokens of their replies.
    public var progress: (requests: Int, replyTokens: Int) {
        records.withLock { records in (records.count, records.reduce(0) { $0 + $1.replyTokens }) }
    }

    /// Runs to the end, or until the task is cancelled; requests that finished by then are counted.
    public func run() async throws -> LoadReport {
        let lanes = try LoadLanes(options.arrivals)
        let requests = (0..<options.requests).map { LoadRequest(options, index: $0) }
        switch options.arrivals {
        case .closed(let clients): await runClosed(lanes, requests, clients: clients)
        case .open(let rate, let isPoisson): await runOpen(lanes, requests, rate: rate, isPoisson: isPoisson)
        }
        await lanes.close()
        return LoadReport(options, records.withLock { $0 })
    }

    private var now: Double { (clock.now - started) / Duration.seconds(1) }
    private var isOver: Bool { Task.isCancelled || options.seconds.map { now >= $0 } ?? false }

    private func runClosed(_ lanes: LoadLanes, _ requests: [LoadRequest], clients: Int) async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<min(clients, requests.count) {
                let lane = lanes.next()
                group.addTask(executorPreference: lane) {
                    while !self.isOver {
                        let index = self.next.add(1, ordering: .relaxed).oldValue
                        guard index < requests.count else { return }
                        await self.send(requests[index], lane)
                    }
                }
            }
        }
    }

    private func runOpen(_ lanes: LoadLanes, _ requests: [LoadRequest], rate: Double, isPoisson: Bool) async {
        await withTaskGroup(of: Void.self) { group in
            var due = now, random = RandomStream(seed: options.seed, stream: 1)
            for request in requests {
                let wait = due - now
                if wait > 0 { try? await clock.sleep(for: .seconds(wait)) }
                guard !isOver else { break }
                let lane = lanes.next()
                group.addTask(executorPreference: lane) { await self.send(request, lane) }
                due += isPoisson ? random.nextExponential() / rate : 1 / rate
            }
        }
    }

    private func send(_ load: LoadRequest, _ transfers: Transfers) async {
        var request = TransferRequest(.post, options.url + options.endpoint.rawValue)
        request.headers = [TransferHeader("Content-Type", "application/json")]
        if let key = options.key { request.headers.append(TransferHeader("Authorization", "Bearer " + key)) }
        request.body = load.body
        request.timeout = .seconds(options.timeoutSeconds)
        // One connection for each client: streams on a shared connection would wait for each other.
        request.allowsHTTP2 = false
        var record = LoadRecord(sent: now)
        do {
            let response = try await transfers.send(request)
            record.status = response.status
            if response.status == 200 {
                try await read(response.body, into: &record)
            } else {
                let body = try await response.body.collect(upTo: 1 << 20)
                record.failure = "\(response.status) \(Self.message(body))"
            }
        } catch {
            record.failure = "\(error)"
        }
        record.ended = now
        let finished = record
        // Requests that were cancelled with the run say nothing about the server.
        if !Task.isCancelled { records.withLock { $0.append(finished) } }
    }

    private func read(_ body: TransferBody, into record: inout LoadRecord) async throws {
        var events = ServerSentEvents()
        var isDone = false
        for try await piece in body {
            let time = now
            for event in events.append(piece) {
                if event.elementsEqual("[DONE]".utf8) {
                    isDone = true
                    continue
                }
                let chunk = try JSON(parsing: event)
                if let error = chunk["error"] { record.failure = error["message"]?.string ?? error.text() }
                if Self.hasText(chunk) { record.pieces.append(time) }
                if let usage = chunk["usage"], !usage.isNull {
                    record.promptTokens = Self.count(usage["prompt_tokens"])
                    record.replyTokens = Self.count(usage["completion_tokens"])
                    record.cachedTokens = Self.count(usage["prompt_tokens_details"]?["cached_tokens"])
                }
            }
        }
        if record.failure == nil, !isDone { record.failure = "the stream ended without [DONE]" }
        // The server does not report token counts: each piece of text counts as one token.
        if record.replyTokens == 0 { record.replyTokens = record.pieces.count }
    }

    /// A token count that the server reports; 0 if it is missing or invalid.
    private static func count(_ value: JSON?) -> Int { value?.integer?.narrowed(to: 0...1_000_000_000) ?? 0 }

    private static func hasText(_ chunk: JSON) -> Bool {
        guard let choice = chunk["choices"]?.array?.first else { return false }
        for text in [choice["text"], choice["delta"]?["content"], choice["delta"]?["reasoning_content"]] {
            if let text = text?.string, !text.isEmpty { return true }
        }
        return choice["delta"]?["tool_calls"]?.array?.isEmpty == false
    }

    /// The message of an error in OpenAI's format, else the beginning of the body.
    private static func message(_ body: [UInt8]) -> String {
        if let json = try? JSON(parsing: body), let message = json["error"]?["message"]?.string { return message }
        return String(decoding: body.prefix(200), as: UTF8.self)
    }
}

extension RandomStream {
    /// A sample of the exponential distribution with mean 1, by inversion.
    package mutating func nextExponential() -> Double { -logarithm(1 - nextUniform()) }
}
