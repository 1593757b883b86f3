import Dispatch
import MartletModels
import Synchronization

/// The thread of an `Engine`, and the mailbox that it reads between the steps of its generator.
///
/// Everything except the mailbox is accessed only by this thread.
final class EngineLoop: @unchecked Sendable {
    private struct Mailbox {
        var submissions: [EngineSubmission] = []
        var bodies: [@Sendable () -> Void] = []
        var drained: [CheckedContinuation<Void, Never>] = []
        var isDraining = false
        var isStopped = false
        /// Requests submitted and not finished.
        var open = 0
        /// Requests submitted and not started.
        var waiting = 0
        var published = EngineStatistics()
    }

    private let mailbox = Mutex(Mailbox())
    private let arrived = DispatchSemaphore(value: 0)
    private let generator: Generator
    private let options: EngineOptions

    init(_ model: LanguageModel, _ options: EngineOptions) throws {
        self.options = options
        generator = try Generator(model, options)
        generator.didBegin = { [unowned self] running in
            mailbox.withLock { mailbox in
                mailbox.waiting -= 1
                mailbox.published.runningRequests = running
            }
        }
        generator.didEnd = { [unowned self] hadBegun in
            mailbox.withLock { mailbox in
                if !hadBegun { mailbox.waiting -= 1 }
                mailbox.open -= 1
            }
        }
    }

    // MARK: From other threads

    func wake() { arrived.signal() }

    func submit(_ submission: EngineSubmission) throws {
        try mailbox.withLock { mailbox in
            guard !mailbox.isStopped, !mailbox.isDraining else { throw EngineError.shuttingDown }
            // A request that can run at once does not use one of the waiting places.
            let places = max(options.maximumRunning - mailbox.published.runningRequests, 0)
            guard mailbox.waiting < options.maximumWaiting + places else {
                mailbox.published.refused += 1
                // The expected wait: the waiting requests at the recent average latency.
                let average = mailbox.published.endToEndLatency
                let each = average.count > 0 ? average.sum / Double(average.count) : 1
                let seconds = each * Double(mailbox.waiting) / Double(max(options.maximumRunning, 1))
                throw EngineError.overloaded(retryAfterSeconds: min(max(seconds, 1), 60))
            }
            mailbox.waiting += 1
            mailbox.open += 1
            mailbox.submissions.append(submission)
        }
        wake()
    }

    /// Runs a closure on the thread; returns false if the thread has ended.
    func enqueue(_ body: @escaping @Sendable () -> Void) -> Bool {
        let taken = mailbox.withLock { mailbox in
            guard !mailbox.isStopped else { return false }
            mailbox.bodies.append(body)
            return true
        }
        wake()
        return taken
    }

    func statistics() -> EngineStatistics {
        mailbox.withLock { mailbox in
            var statistics = mailbox.published
            statistics.waitingRequests = mailbox.waiting
            return statistics
        }
    }

    func drain() async {
        await withCheckedContinuation { continuation in
            let isStopped = mailbox.withLock { mailbox in
                mailbox.isDraining = true
                if !mailbox.isStopped { mailbox.drained.append(continuation) }
                return mailbox.isStopped
            }
            // The thread resumes the caller after it has published its statistics.
            if isStopped { continuation.resume() } else { wake() }
        }
    }

    func stop() {
        mailbox.withLock { $0.isStopped = true }
        wake()
    }

    // MARK: On the thread

    func run() {
        while takeMail() {
            let computed = generator.step()
            publish()
            // Without work the thread sleeps until something arrives.
            if !computed { arrived.wait() }
        }
        generator.abandon(throwing: EngineError.shuttingDown)
        let drained = mailbox.withLock { mailbox in
            mailbox.open = 0
            defer { mailbox.drained = [] }
            return mailbox.drained
        }
        for continuation in drained { continuation.resume() }
    }

    /// Returns false when the loop is to end.
    private func takeMail() -> Bool {
        let (submissions, bodies, isStopped) = mailbox.withLock { mailbox in
            defer { (mailbox.submissions, mailbox.bodies) = ([], []) }
            return (mailbox.submissions, mailbox.bodies, mailbox.isStopped)
        }
        // The closures may take long, so events are delivered first.
        if !bodies.isEmpty { generator.deliverAll() }
        for body in bodies { body() }
        for submission in submissions { generator.submit(submission) }
        return !isStopped
    }

    private func publish() {
        let statistics = generator.statistics
        let drained = mailbox.withLock { mailbox in
            let refused = mailbox.published.refused
            mailbox.published = statistics
            mailbox.published.refused = refused
            guard mailbox.isDraining, mailbox.open == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { mailbox.drained = [] }
            return mailbox.drained
        }
        // Callers waiting for the end find the final statistics.
        for continuation in drained { continuation.resume() }
    }
}
