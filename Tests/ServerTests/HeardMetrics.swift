import CoreMetrics
import Synchronization

/// A backend of metrics that remembers what it hears, by the name and the dimensions: `requests status=200`.
final class HeardMetrics: MetricsFactory {
    private let heard = Mutex<[String: [Int64]]>([:])

    subscript(name: String) -> [Int64] { heard.withLock { $0[name] ?? [] } }

    private final class Handler: CounterHandler, TimerHandler {
        let name: String
        let metrics: HeardMetrics

        init(_ label: String, _ dimensions: [(String, String)], _ metrics: HeardMetrics) {
            name = ([label] + dimensions.map { "\($0)=\($1)" }).joined(separator: " ")
            self.metrics = metrics
        }

        private func hear(_ value: Int64) { metrics.heard.withLock { $0[name, default: []].append(value) } }

        func increment(by amount: Int64) { hear(amount) }
        func recordNanoseconds(_ duration: Int64) { hear(duration) }
        func reset() {}
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        Handler(label, dimensions, self)
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        Handler(label, dimensions, self)
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        NOOPMetricsHandler.instance
    }

    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
}
