import Hummingbird
import Martlet
import MartletAPI

extension Server {
    /// Vectors of texts, and what is computed from them.
    func embeddingRoutes() -> [Route] {
        let limits = requestLimits
        let rerank: Route.Handler = { [self] call in
            try await self.rerank(try RerankRequest(call.body, limits: limits), call)
        }
        let paths = ["/v1/rerank", "/rerank", "/v2/rerank", "/v1/reranking", "/reranking"]
        return [
            Route(.post, "/v1/embeddings", scope: .inference, summary: "A vector for each text.") { [self] call in
                try await embed(try EmbeddingsRequest(call.body, limits: limits), call)
            },
            Route(.post, "/embeddings", scope: .inference, summary: "As /v1/embeddings.") { [self] call in
                try await embed(try EmbeddingsRequest(call.body, limits: limits), call)
            },
            Route(.post, "/v1/score", scope: .inference, summary: "How alike pairs of texts are.") { [self] call in
                try await score(try ScoreRequest(call.body, limits: limits), call)
            },
        ] + paths.map { Route(.post, $0, scope: .inference, summary: "Documents by how they fit a query.", rerank) }
    }

    private func embed(_ request: EmbeddingsRequest, _ call: Call) async throws -> Response {
        let (model, vectors, count) = try await vectors(of: request, call)
        return .json(request.reply(model: request.model ?? model, vectors: vectors, promptTokens: count))
    }

    /// A vector for each input, by the model of that name.
    func vectors(
        of request: EmbeddingsRequest, _ call: Call
    ) async throws -> (model: String, vectors: [[Float]], promptTokens: Int) {
        let lease = try await models.use(request.model, embedding: true)
        let worker = try embedder(lease, call)
        if let dimensions = request.dimensions, dimensions != worker.width {
            throw APIError.invalid(
                "dimensions", "is \(dimensions); this model was not trained to be shortened and gives \(worker.width)")
        }
        let tokens = try request.inputs.enumerated().map { index, input in
            try Self.tokens(
                input, worker, request.truncation, place: request.inputs.count == 1 ? "input" : "input[\(index)]")
        }
        return (lease.model.name, try await worker.embed(tokens), count(tokens, call))
    }

    /// By the cosine of the vectors of query and document.
    private func rerank(_ request: RerankRequest, _ call: Call) async throws -> Response {
        let lease = try await models.use(request.model, embedding: true)
        let worker = try embedder(lease, call)
        var tokens = [try Self.tokens(.text(request.query), worker, nil, place: "query")]
        for (index, document) in request.documents.enumerated() {
            tokens.append(try Self.tokens(.text(document), worker, nil, place: "documents[\(index)]"))
        }
        let vectors = try await worker.embed(tokens)
        let scores = vectors.dropFirst().map { Self.cosine(vectors[0], $0) }
        return .json(
            request.reply(
                model: request.model ?? lease.model.name, scores: scores, promptTokens: count(tokens, call),
                id: "rerank-" + Self.identifier()))
    }

    private func score(_ request: ScoreRequest, _ call: Call) async throws -> Response {
        let lease = try await models.use(request.model, embedding: true)
        let worker = try embedder(lease, call)
        let tokens = try request.pairs.flatMap { pair in
            [
                try Self.tokens(.text(pair.first), worker, nil, place: "text_1"),
                try Self.tokens(.text(pair.second), worker, nil, place: "text_2"),
            ]
        }
        let vectors = try await worker.embed(tokens)
        let scores = request.pairs.indices.map { Self.cosine(vectors[2 * $0], vectors[2 * $0 + 1]) }
        return .json(
            request.reply(
                model: request.model ?? lease.model.name, scores: scores, promptTokens: count(tokens, call),
                id: "score-" + Self.identifier(), created: Self.now()))
    }

    private func embedder(_ lease: ModelLease, _ call: Call) throws(APIError) -> EmbeddingWorker {
        guard let worker = lease.model.embedder else { throw .unknownModel(lease.model.name) }
        call.note.update { $0.model = lease.model.name }
        return worker
    }

    private func count(_ tokens: [[Int32]], _ call: Call) -> Int {
        let total = tokens.reduce(0) { $0 + $1.count }
        call.note.update { $0.promptTokens = total }
        return total
    }

    private static func cosine(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

    private static func tokens(
        _ input: GenerationRequest.Prompt, _ worker: EmbeddingWorker, _ truncation: Truncation?, place: String
    ) throws -> [Int32] {
        var tokens: [Int32]
        switch input {
        case .tokens(let given):
            tokens = given
            let size = worker.vocabularySize
            for (index, token) in given.enumerated() where !(0..<size).contains(Int(token)) {
                throw APIError.invalid("\(place)[\(index)]", "is \(token); the model has \(size) tokens")
            }
        case .text(let text):
            do { tokens = try worker.tokenizer.encode(text) } catch {
                throw APIError.invalid(place, "cannot be expressed in the model's vocabulary: \(error)")
            }
        }
        let limit = worker.contextLength
        if let truncation {
            let count = truncation.tokens < 0 ? limit : truncation.tokens
            if tokens.count > count { tokens = Array(tokens.prefix(count)) }
        }
        guard !tokens.isEmpty else { throw APIError.invalid(place, "is empty; the model needs at least one token") }
        guard tokens.count <= limit else {
            var error = APIError.contextExceeded(promptTokens: tokens.count, maximumTokens: nil, limit: limit)
            error.parameter = place
            throw error
        }
        return tokens
    }
}
