import MartletAPI
import MartletJSON
import MartletSystem

extension Server {
    static let version = ProgramVersion.current

    /// Routes for the state of the server.
    func statusRoutes() -> [Route] {
        [
            Route(.get, "/livez", scope: .open, summary: "Whether the process runs.", answersWhileDraining: true) {
                _ in
                .json(["status": "ok"])
            },
            Route(
                .get, "/readyz", scope: .open, summary: "Whether requests are accepted.", answersWhileDraining: true
            ) { [self] _ in try readiness() },
            Route(
                .get, "/health", scope: .open, summary: "As /readyz, in llama.cpp's format.", answersWhileDraining: true
            ) { [self] _ in try readiness() },
            Route(
                .get, "/v1/health", scope: .open, summary: "As /health.", answersWhileDraining: true
            ) { [self] _ in try readiness() },
            Route(
                .get, "/ping", scope: .open, summary: "As /health, by vLLM's name.", answersWhileDraining: true
            ) { [self] _ in try readiness() },
            Route(.get, "/version", scope: .inference, summary: "The server's version.") { _ in
                .json(["version": .string(Self.version)])
            },
            Route(.get, "/load", scope: .inference, summary: "Requests under way, by vLLM's name.") { [self] _ in
                // Not this one.
                .json(["server_load": .integer(Int64(max(0, metrics.running - 1)))])
            },
            Route(
                .get, "/metrics", scope: .metrics, summary: "Metrics in Prometheus' text format.",
                answersWhileDraining: true
            ) { [self] _ in .text(metricsText(), type: "text/plain; version=0.0.4; charset=utf-8") },
        ]
    }

    private func readiness() throws(APIError) -> Response {
        guard !isDraining else {
            throw APIError(
                status: 503, "The server is shutting down.", type: "unavailable_error", code: "shutting_down")
        }
        return .json(["status": "ok"])
    }

    func metricsText() -> String {
        var text = PrometheusText()
        text.one("martlet_info", .gauge, "The version of the server.", ["version": Self.version], 1)
        metrics.write(to: &text, connections: connections.count)
        text.family("martlet_model_loaded", .gauge, "1 if the model is in memory, 0 if it will be loaded on demand.")
        let all = models.models
        for (model, loaded) in all {
            text.sample("martlet_model_loaded", ["model_name": model.name], loaded == nil ? 0 : 1)
        }
        text.family("martlet_model_bytes", .gauge, "Memory accounted to a loaded model, in bytes.")
        for case (let model, let loaded?) in all {
            text.sample("martlet_model_bytes", ["model_name": model.name], Double(loaded.bytes))
        }
        text.family("martlet_adapter_bytes", .gauge, "Memory of the adapters kept with a loaded model, in bytes.")
        for case (let model, let loaded?) in all where loaded.engine != nil {
            text.sample("martlet_adapter_bytes", ["model_name": model.name], Double(loaded.adapterBytes))
        }
        EngineMetrics.write(
            all.compactMap { entry in entry.loaded?.engine.map { (entry.model.name, $0.statistics()) } }, to: &text)
        return text.text
    }
}
