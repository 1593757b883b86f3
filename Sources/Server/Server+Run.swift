import NIOCore
import NIOPosix

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Server {
    /// What answers requests.
    /// - Throws: `ServerError` where a certificate cannot be read.
    private func service() throws(ServerError) -> HTTPService {
        let responder = Responder(server: self, table: RouteTable(routes()))
        return HTTPService(
            host: settings.host, port: settings.port, limits: settings.limits, table: connections,
            security: try settings.certificate?.security(), answer: responder.respond)
    }

    /// Serves until a signal stops it.
    ///
    /// The first SIGTERM or SIGINT starts a graceful shutdown: new requests are refused, and running requests may
    /// finish within `settings.drain`. The second signal calls `onSecondSignal`.
    /// - Parameter onRunning: called with the port once connections are accepted.
    public func run(
        onSecondSignal: @escaping @Sendable (Int32) -> Void = { _ in },
        onRunning: @escaping @Sendable (Int?) async -> Void = { _ in }
    ) async throws {
        let service = try service()
        FreedMemory.returnBlocks()
        let signals = StopSignals(
            onFirst: {
                Task {
                    await self.drain()
                    service.stop()
                }
            }, onSecond: onSecondSignal)
        let idle = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: .seconds(10))
                models.unloadIdle()
                if models.loaded.reduce(false, { $1.grammarMemory.forgetIdle() || $0 }) { FreedMemory.trimSoon() }
            }
        }
        defer {
            signals.stop()
            idle.cancel()
        }
        do {
            // New connections are taken on by an event loop as well (HTTPService).
            let loop = MultiThreadedEventLoopGroup.singleton.any()
            try await withTaskExecutorPreference(connections.executor(of: loop)) {
                try await service.run(onRunning: onRunning)
            }
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            // Another program took it while models were loaded.
            throw ListeningAddress.inUse(settings.port)
        }
    }

    /// Refuses new requests, waits for the running ones, and cancels those that take longer than `settings.drain`.
    package func drain() async {
        startDraining()
        logger.info("draining", metadata: ["requests": "\(metrics.running)"])
        let deadline = ContinuousClock.now + settings.drain
        // They save first, and can be gone on with.
        tuning?.interruptAll()
        while metrics.running > 0 || tuning?.runningCount ?? 0 > 0, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(20))
        }
        let left = metrics.running
        if let training = tuning?.runningCount, training > 0 {
            logger.warning("runs go on until their step is saved", metadata: ["runs": "\(training)"])
        }
        models.stop()
        guard left > 0 else { return }
        logger.warning("requests were ended by the shutdown", metadata: ["requests": "\(left)"])
        // Wait until their last event is sent.
        let end = ContinuousClock.now + settings.lastEvents
        while metrics.running > 0, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(20)) }
        // Cancels requests that no engine ends.
        connections.cancelAll()
    }
}

extension Server {
    /// Checks that the address can be bound, before any model is loaded.
    /// - Throws: `ServerError` naming what prevents it.
    public func checkAddress() throws(ServerError) {
        try ListeningAddress.check(host: settings.host, port: settings.port)
    }

    /// Loads the first model, or all models, so that the first request does not wait for it.
    public func preload(all: Bool = false) async throws {
        for model in models.models.map(\.model).prefix(all ? .max : 1) {
            let started = ContinuousClock.now
            let lease = try await models.use(model.name)
            logger.info(
                "loaded",
                metadata: [
                    "model": .string(model.name),
                    "seconds": "\(((ContinuousClock.now - started).inSeconds * 1000).rounded() / 1000)",
                    "context": "\(model.contextLength)", "weights": .string(model.plan.weights.asBytes),
                    // The prefix cache grows to this size and stays there.
                    "cache_memory": .string((lease.model.engine?.options.cacheBytes ?? 0).asBytes),
                ])
        }
    }
}
