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

    /// text-embeddings-inference's. Its `/rerank` is told from the others by its body.
    func textEmbeddingsRoutes() -> [Route] {
        let limits = requestLimits
        return [
            Route(
                .post, "/embed", scope: .inference, summary: "text-embeddings-inference's vectors of texts.",
                errors: .textEmbeddings
            ) { [self] call in
                let request = try EmbeddingsRequest(textEmbeddings: call.body, limits: limits)
                return .json(EmbeddingsRequest.plainReply(vectors: try await vectors(of: request, call).vectors))
            },
            Route(
                .post, "/similarity", scope: .inference, summary: "How alike a text is to others.",
                errors: .textEmbeddings
            ) { [self] call in try await similarity(try SimilarityRequest(call.body, limits: limits), call) },
            Route(
                .post, "/predict", scope: .inference, summary: "Classes of texts, where a model tells them.",
                errors: .textEmbeddings
            ) { [self] call in
                let request = try PredictRequest(call.body, limits: limits)
                let model = try request.model.map { try models.find($0) } ?? models.first()
                throw APIError(
                    status: 424, "The model '\(model.name)' tells no classes of texts.", type: "not_supported_error",
                    parameter: "model", code: "wrong_model_kind")
            },
        ]
    }

    private func similarity(_ request: SimilarityRequest, _ call: Call) async throws -> Response {
        noteUnknown(request.unknownFields, call)
        let lease = try await models.use(request.model, embedding: true)
        let worker = try embedder(lease, call)
        let texts =
            [(request.source, "inputs.source_sentence")]
            + request.sentences.enumerated().map { ($1, "inputs.sentences[\($0)]") }
        let tokens = try Self.tokens(
            texts.map { (.text($0.0), $0.1) }, worker, request.truncation, limits: requestLimits)
        let vectors = try await worker.embed(tokens)
        _ = count(tokens, call)
        return .json(SimilarityRequest.reply(scores: vectors.dropFirst().map { Self.cosine(vectors[0], $0) }))
    }

    private func embed(_ request: EmbeddingsRequest, _ call: Call) async throws -> Response {
        let (model, vectors, count) = try await vectors(of: request, call)
        return .json(request.reply(model: request.model ?? model, vectors: vectors, promptTokens: count))
    }

    /// A vector for each input, by the model of that name.
    func vectors(
        of request: EmbeddingsRequest, _ call: Call
    ) async throws -> (model: String, vectors: [[Float]], promptTokens: Int) {
        noteUnknown(request.unknownFields, call)
        let lease = try await models.use(request.model, embedding: true)
        let worker = try embedder(lease, call)
        if let dimensions = request.dimensions, dimensions != worker.width {
            throw APIError.invalid(
                "dimensions", "is \(dimensions); this model was not trained to be shortened and gives \(worker.width)")
        }
        let places = request.inputs.indices.map { request.inputs.count == 1 ? "input" : "input[\($0)]" }
        let tokens = try Self.tokens(
            Array(zip(request.inputs, places)), worker, request.truncation, limits: requestLimits)
        return (lease.model.name, try await worker.embed(tokens), count(tokens, call))
    }

    /// By the cosine of the vectors of query and document.
    private func rerank(_ request: RerankRequest, _ call: Call) async throws -> Response {
        noteUnknown(request.unknownFields, call)
        let lease = try await models.use(request.model, embedding: true)
        let worker = try embedder(lease, call)
        let texts =
            [(request.query, "query")]
            + request.documents.enumerated().map {
                ($1, request.isTextEmbeddings ? "texts[\($0)]" : "documents[\($0)]")
            }
        let tokens = try Self.tokens(
            texts.map { (.text($0.0), $0.1) }, worker, request.truncation, limits: requestLimits)
        let vectors = try await worker.embed(tokens)
        let scores = vectors.dropFirst().map { Self.cosine(vectors[0], $0) }
        return .json(
            request.reply(
                model: request.model ?? lease.model.name, scores: scores, promptTokens: count(tokens, call),
                id: "rerank-" + Self.identifier()))
    }

    private func score(_ request: ScoreRequest, _ call: Call) async throws -> Response {
        noteUnknown(request.unknownFields, call)
        let lease = try await models.use(request.model, embedding: true)
        let worker = try embedder(lease, call)
        let tokens = try Self.tokens(
            request.texts.map { (.text($0.text), $0.place) }, worker, nil, limits: requestLimits)
        let vectors = try await worker.embed(tokens)
        let scores = request.pairs.map { Self.cosine(vectors[$0.first], vectors[$0.second]) }
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

    /// The tokens of each input, within the bounds of a request.
    private static func tokens(
        _ inputs: [(GenerationRequest.Prompt, String)], _ worker: EmbeddingWorker,
        _ truncation: Truncation?, limits: RequestLimits
    ) throws -> [[Int32]] {
        var all: [[Int32]] = [], total = 0
        for (input, place) in inputs {
            try Task.checkCancellation()
            let tokens = try tokens(input, worker, truncation, place: place)
            total += tokens.count
            guard total <= limits.embeddingTokens else {
                throw APIError(
                    "The texts up to \(place) have \(total) tokens; a request may have \(limits.embeddingTokens). "
                        + "Send them as several requests.", parameter: place, code: "too_many_tokens")
            }
            all.append(tokens)
        }
        return all
    }

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
            if tokens.count > count { tokens = try Self.cut(tokens, to: count, truncation, worker) }
        }
        guard !tokens.isEmpty else { throw APIError.invalid(place, "is empty; the model needs at least one token") }
        guard tokens.count <= limit else {
            var error = APIError.contextExceeded(promptTokens: tokens.count, maximumTokens: nil, limit: limit)
            error.parameter = place
            throw error
        }
        return tokens
    }

    /// Cuts the text and keeps the special tokens around it, which the model expects.
    private static func cut(
        _ tokens: [Int32], to count: Int, _ truncation: Truncation, _ worker: EmbeddingWorker
    ) throws -> [Int32] {
        let frame = try worker.tokenizer.encode("")
        let lead = (0...frame.count).first {
            tokens.starts(with: frame.prefix($0)) && tokens.suffix(frame.count - $0).elementsEqual(frame.dropFirst($0))
        }
        guard let lead, count >= frame.count else {
            return Array(truncation.keepsEnd ? tokens.suffix(count) : tokens.prefix(count))
        }
        let text = tokens.dropFirst(lead).dropLast(frame.count - lead), room = count - frame.count
        let kept = truncation.keepsEnd ? text.suffix(room) : text.prefix(room)
        return Array(frame.prefix(lead)) + kept + frame.dropFirst(lead)
    }
}
