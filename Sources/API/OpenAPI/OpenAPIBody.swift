import MartletJSON

/// The request and response of a route, by schema names.
struct OpenAPIBody: Sendable {
    /// Nil if there is no request body.
    var request: String?
    /// The schema of a JSON response.
    var reply: String?
    /// The content type of a response that is not JSON, or that is streamed.
    var text: String?
    /// The name of the error response.
    var error = "Error"
    /// Query parameters.
    var query = JSONObject()

    /// By method and path.
    static let known: [String: OpenAPIBody] = {
        var table: [String: OpenAPIBody] = [:]
        func post(_ paths: [String], _ request: String, _ reply: String, stream: String? = nil, error: String = "Error")
        {
            for path in paths {
                table["POST " + path] = OpenAPIBody(request: request, reply: reply, text: stream, error: error)
            }
        }
        func versions(_ path: String) -> [String] { ["", "/v1", "/v2"].map { $0 + path } }
        func get(_ path: String, _ reply: String, error: String = "Error", query: JSONObject = [:]) {
            table["GET " + path] = OpenAPIBody(reply: reply, error: error, query: query)
        }
        let events = ServerEvent.contentType, lines = "application/x-ndjson"
        let model: JSONObject = ["model": OpenAPISchemas.text]

        post(versions("/chat/completions"), "ChatCompletionRequest", "ChatCompletion", stream: events)
        post(versions("/completions"), "CompletionRequest", "Completion", stream: events)
        post(versions("/embeddings"), "EmbeddingsRequest", "Embeddings")
        post(["/pooling"], "PoolingRequest", "Pooling")
        post(versions("/rerank") + versions("/reranking"), "RerankRequest", "RerankAny")
        post(versions("/score"), "ScoreRequest", "Score")
        post(["/tokenize"], "TokenizeRequest", "Tokenize")
        post(["/detokenize"], "DetokenizeRequest", "Detokenize")
        post(["/apply-template"], "ApplyTemplateRequest", "ApplyTemplate")

        post(["/v1/responses", "/responses"], "ResponsesRequest", "Response", stream: events)
        post(["/v1/messages"], "MessagesRequest", "MessagesReply", stream: events, error: "MessagesError")
        post(["/v1/messages/count_tokens"], "CountTokensRequest", "CountTokens", error: "MessagesError")

        post(["/api/chat"], "OllamaChatRequest", "OllamaChat", stream: lines, error: "OllamaError")
        post(["/api/generate"], "OllamaGenerateRequest", "OllamaGenerate", stream: lines, error: "OllamaError")
        post(["/api/embed"], "OllamaEmbedRequest", "OllamaEmbed", error: "OllamaError")
        post(["/api/embeddings"], "OllamaEmbedRequest", "OllamaEmbeddings", error: "OllamaError")
        post(["/api/pull"], "OllamaPullRequest", "OllamaStatus", stream: lines, error: "OllamaError")
        post(["/api/show"], "OllamaShowRequest", "OllamaShow", error: "OllamaError")
        post(["/api/create"], "OllamaCreateRequest", "OllamaStatus", stream: lines, error: "OllamaError")
        // Their replies have no body, as Ollama's have none.
        table["POST /api/copy"] = OpenAPIBody(request: "OllamaCopyRequest", error: "OllamaError")
        table["DELETE /api/delete"] = OpenAPIBody(request: "OllamaShowRequest", error: "OllamaError")
        get("/api/version", "Version")
        get("/api/tags", "OllamaModels")
        get("/api/ps", "OllamaModels")

        post(["/completion"], "LlamaCompletionRequest", "LlamaCompletion", stream: events)
        post(["/infill"], "InfillRequest", "LlamaCompletion", stream: events)
        post(["/embedding"], "LlamaEmbeddingRequest", "LlamaEmbedding")
        post(["/generate"], "GenerateRequest", "Generate", error: "InferenceError")
        post(["/"], "GenerateOrStreamRequest", "GenerateList", stream: events, error: "InferenceError")
        table["POST /generate_stream"] = OpenAPIBody(
            request: "GenerateRequest", text: events, error: "InferenceError")
        post(["/embed"], "EmbedRequest", "Embed", error: "InferenceError")
        post(["/similarity"], "SimilarityRequest", "Similarity", error: "InferenceError")
        post(["/predict"], "PredictRequest", "Predict", error: "InferenceError")
        get("/info", "InferenceInformation", error: "InferenceError", query: model)

        post(["/inspect"], "InspectionRequest", "Inspection")
        post(["/inspect/patch"], "PatchingRequest", "Patching")
        post(["/inspect/steer"], "SteeringRequest", "Steering")
        post(["/admin/models/load"], "ModelName", "ModelLoaded")
        table["POST /v1/load_lora_adapter"] = OpenAPIBody(request: "AdapterLoadRequest", text: "text/plain")
        table["POST /v1/unload_lora_adapter"] = OpenAPIBody(request: "AdapterUnloadRequest", text: "text/plain")
        post(["/lora-adapters"], "AdapterScales", "AdapterScalesSet")
        get("/lora-adapters", "AdapterList")
        post(["/admin/models/unload"], "ModelName", "ModelUnloaded")
        table["POST /api/runs/{name}/stop"] = OpenAPIBody(reply: "RunStopping")
        table["POST /api/runs/{name}/offer"] = OpenAPIBody(reply: "RunOffered")
        get("/api/tune", "Tuning")
        post(["/api/tune"], "TuningRequest", "TuningRun")
        get("/api/tune/{name}", "TuningRun")
        table["POST /api/tune/{name}/stop"] = OpenAPIBody(reply: "TuningRun")

        for path in ["/livez", "/readyz", "/health", "/v1/health", "/ping"] { get(path, "Status") }
        get("/version", "Version")
        get("/load", "Load")
        for path in ["/v1/models", "/models"] { get(path, "ModelListAny") }
        for path in ["/v1/models/{model}", "/models/{model}", "/v1/models/{id}"] { get(path, "ModelAny") }
        for path in ["/v1/responses", "/responses"] {
            get(path + "/{id}", "Response")
            get(path + "/{id}/input_items", "ResponseItems")
            table["DELETE \(path)/{id}"] = OpenAPIBody(reply: "ResponseDeleted")
            post([path + "/input_tokens"], "ResponsesRequest", "ResponseInputTokens")
        }
        get("/tokenizer_info", "TokenizerInformation", query: model)
        get("/props", "Properties", query: model)
        get("/slots", "Slots", query: ["model": OpenAPISchemas.text, "fail_on_no_slot": OpenAPISchemas.text])
        get("/api/runs", "RunList")
        get("/api/runs/{name}", "Run")
        get("/api/runs/{name}/log", "RunLog", query: ["offset": OpenAPISchemas.count])
        table["GET /metrics"] = OpenAPIBody(text: "text/plain")
        for path in ["/", "/playground", "/inspect", "/runs", "/tune", "/docs"] {
            table["GET " + path] = OpenAPIBody(text: "text/html")
        }
        return table
    }()
}
