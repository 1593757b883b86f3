import CoreMetrics
import Synchronization

/// Counts requests by route and status: for `/metrics`, and for the swift-metrics backend if the embedding program has
/// set one.
package final class ServerMetrics: Sendable {
    private struct Key: Hashable {
        var method: String, route: String, status: Int
    }
    private struct State {
        var requests: [Key: Int] = [:]
        var seconds: [String: (counts: [Int], sum: Double)] = [:]
        var running = 0
        /// Metrics of the backend, created on first use.
        private var counters: [Key: Counter] = [:]
        private var timers: [String: Timer] = [:]

        mutating func counter(_ key: Key, _ factory: any MetricsFactory) -> Counter {
            if let counter = counters[key] { return counter }
            let counter = Counter(
                label: "martlet_http_requests_total",
                dimensions: [("method", key.method), ("route", key.route), ("status", "\(key.status)")],
                factory: factory)
            counters[key] = counter
            return counter
        }

        mutating func timer(_ route: String, _ factory: any MetricsFactory) -> Timer {
            if let timer = timers[route] { return timer }
            let timer = Timer(
                label: "martlet_http_request_duration_seconds", dimensions: [("route", route)], factory: factory)
            timers[route] = timer
            return timer
        }
    }
    private let state = Mutex(State())
    private let factory: any MetricsFactory
    let started = ContinuousClock.now
    static let bounds: [Double] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]
    /// Methods are chosen by clients; uncommon ones share one label.
    private static let methods: Set = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]

    package init(factory: any MetricsFactory = MetricsSystem.factory) { self.factory = factory }

    var running: Int { state.withLock(\.running) }

    package func begin() { state.withLock { $0.running += 1 } }

    package func end(method: String, route: String, status: Int, seconds: Double) {
        let (counter, timer) = state.withLock { state in
            state.running -= 1
            let method = Self.methods.contains(method) ? method : "other"
            let key = Key(method: method, route: route, status: status)
            state.requests[key, default: 0] += 1
            var entry = state.seconds[route] ?? ([Int](repeating: 0, count: Self.bounds.count + 1), 0)
            entry.counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
            entry.sum += seconds
            state.seconds[route] = entry
            return (state.counter(key, factory), state.timer(route, factory))
        }
        counter.increment()
        timer.recordSeconds(seconds)
    }

    func write(to text: inout PrometheusText, connections: Int) {
        let (requests, seconds, running) = state.withLock { ($0.requests, $0.seconds, $0.running) }
        text.family("martlet_http_requests_total", .counter, "Requests by route and status.")
        let keys = requests.keys.sorted { ($0.route, $0.method, $0.status) < ($1.route, $1.method, $1.status) }
        for key in keys {
            text.sample(
                "martlet_http_requests_total",
                ["method": key.method, "route": key.route, "status": "\(key.status)"], Double(requests[key] ?? 0))
        }
        text.family(
            "martlet_http_request_duration_seconds", .histogram, "From a request's header to the end of its reply.")
        for (route, entry) in seconds.sorted(by: { $0.key < $1.key }) {
            text.histogram(
                "martlet_http_request_duration_seconds", [("route", route)], bounds: Self.bounds, counts: entry.counts,
                sum: entry.sum)
        }
        text.one("martlet_http_requests_in_flight", .gauge, "Requests being answered.", [:], Double(running))
        text.one("martlet_http_connections", .gauge, "Open connections.", [:], Double(connections))
        text.one(
            "martlet_uptime_seconds", .gauge, "Since the server was made.", [:],
            (ContinuousClock.now - started).inSeconds)
    }
}
