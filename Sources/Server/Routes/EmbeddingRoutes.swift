import Martlet
import MartletAPI
import MartletSystem

extension Server {
    /// Routes for vectors of texts, and for scores computed from vectors.
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
            Route(.post, "/v1/score", scope: .inference, summary: "Similarity scores of text pairs.") { [self] call in
                try await score(try ScoreRequest(call.body, limits: limits), call)
            },
        ].flatMap(\.withAndWithoutVersion) + [
            Route(.post, "/pooling", scope: .inference, summary: "A vector for each text, in vLLM's own shape.") {
                [self] call in
                let request = try EmbeddingsRequest(pooling: call.body, limits: limits)
                let (model, vectors, count) = try await vectors(of: request, call)
                return .json(
                    request.poolingReply(
                        model: request.model ?? model, vectors: vectors, promptTokens: count,
                        id: "pool-" + Self.identifier(), created: Self.now()))
            }
        ]
            + paths.map { Route(.post, $0, scope: .inference, summary: "Documents by how they fit a query.", rerank) }
    }

    /// The routes of text-embeddings-inference. `/rerank` exists for both protocols and is distinguished by its body.
    func textEmbeddingsRoutes() -> [Route] {
        let limits = requestLimits
        return [
            Route(
                .post, "/embed", scope: .inference, summary: "As text-embeddings-inference: a vector for each text.",
                errors: .textEmbeddings
            ) { [self] call in
                let request = try EmbeddingsRequest(textEmbeddings: call.body, limits: limits)
                return .json(EmbeddingsRequest.plainReply(vectors: try await vectors(of: request, call).vectors))
            },
            Route(
                .post, "/similarity", scope: .inference, summary: "The similarity of a text to each of several others.",
                errors: .textEmbeddings
            ) { [self] call in try await similarity(try SimilarityRequest(call.body, limits: limits), call) },
            Route(
                .post, "/predict", scope: .inference, summary: "Class scores of texts, if the model has them.",
                errors: .textEmbeddings
            ) { [self] call in
                let request = try PredictRequest(call.body, limits: limits)
                let model = try request.model.map { try models.find($0) } ?? models.first()
                throw APIError(
                    status: 424,
                    "The model '\(model.name)' is \(model.kind.name), and no model of this server classifies texts.",
                    type: "not_supported_error",
                    parameter: "model", code: "wrong_model_kind")
            },
        ]
    }

    private func similarity(_ request: SimilarityRequest, _ call: Call) async throws -> Response {
        noteUnknown(request.unknownFields, call)
        let lease = try await models.use(request.model, for: .embeds)
        let texts =
            [(request.source, "inputs.source_sentence")]
            + request.sentences.enumerated().map { ($1, "inputs.sentences[\($0)]") }
        let vectors = try await self.vectors(of: texts, request.truncation, lease, call).vectors
        return .json(SimilarityRequest.reply(scores: vectors.dropFirst().map { Self.cosine(vectors[0], $0) }))
    }

    private func embed(_ request: EmbeddingsRequest, _ call: Call) async throws -> Response {
        let (model, vectors, count) = try await vectors(of: request, call)
        return .json(request.reply(model: request.model ?? model, vectors: vectors, promptTokens: count))
    }

    /// A vector for each input, from the named model.
    func vectors(
        of request: EmbeddingsRequest, _ call: Call
    ) async throws -> (model: String, vectors: [[Float]], promptTokens: Int) {
        noteUnknown(request.unknownFields, call)
        let lease = try await models.use(request.model, for: .embeds)
        let worker = try embedder(lease, call)
        if let dimensions = request.dimensions, dimensions != worker.width {
            guard request.shortens, dimensions < worker.width else {
                throw APIError.invalid("dimensions", "is \(dimensions); this model gives \(worker.width)")
            }
        }
        let places = request.inputs.indices.map { request.inputs.count == 1 ? "input" : "input[\($0)]" }
        let tokens = try Self.tokens(
            Array(zip(request.inputs, places)), worker, request.truncation,
            contextLength: request.contextLength, limits: requestLimits)
        var vectors = try await worker.embed(tokens)
        if request.normalizes { vectors = vectors.map(Self.normalized) }
        if let dimensions = request.dimensions, dimensions < worker.width {
            vectors = vectors.map {
                request.normalizes
                    ? EmbeddingsRequest.shortened($0, to: dimensions) : Array($0.prefix(dimensions))
            }
        }
        return (lease.model.name, vectors, count(tokens, call))
    }

    /// With the model's own scores of pairs, or the cosine similarity of the vectors of query and document.
    private func rerank(_ request: RerankRequest, _ call: Call) async throws -> Response {
        noteUnknown(request.unknownFields, call)
        let lease = try await models.use(request.model, for: .scores, .embeds)
        let key = request.isTextEmbeddings ? "texts" : "documents"
        let places = request.documents.indices.map { "\(key)[\($0)]" }
        let (scores, count): ([Float], Int)
        if let scorer = lease.model.scorer {
            let pairs = zip(request.documents, places).map { document, place in
                TextPair(first: (request.query, "query"), second: (document, place))
            }
            (scores, count) = try await self.scores(of: pairs, scorer, request.truncation, lease, call)
        } else {
            let texts = [(request.query, "query")] + zip(request.documents, places)
            let (vectors, tokens) = try await self.vectors(of: texts, request.truncation, lease, call)
            (scores, count) = (vectors.dropFirst().map { Self.cosine(vectors[0], $0) }, tokens)
        }
        return .json(
            request.reply(
                model: request.model ?? lease.model.name, scores: scores, promptTokens: count,
                id: "rerank-" + Self.identifier()))
    }

    private func score(_ request: ScoreRequest, _ call: Call) async throws -> Response {
        noteUnknown(request.unknownFields, call)
        let lease = try await models.use(request.model, for: .scores, .embeds)
        let (scores, count): ([Float], Int)
        if let scorer = lease.model.scorer {
            let pairs = request.pairs.map { pair in
                TextPair(first: request.texts[pair.first], second: request.texts[pair.second])
            }
            (scores, count) = try await self.scores(of: pairs, scorer, nil, lease, call)
        } else {
            let texts = request.texts.map { ($0.text, $0.place) }
            let (vectors, tokens) = try await self.vectors(of: texts, nil, lease, call)
            (scores, count) = (request.pairs.map { Self.cosine(vectors[$0.first], vectors[$0.second]) }, tokens)
        }
        return .json(
            request.reply(
                model: request.model ?? lease.model.name, scores: scores, promptTokens: count,
                id: "score-" + Self.identifier(), created: Self.now()))
    }

    private struct TextPair {
        var first: (text: String, place: String)
        var second: (text: String, place: String)
    }

    /// The model's own score for each pair. The model reads both texts together, so each pair is tokenised as one;
    /// texts that are too long for any pair are refused before that.
    private func scores(
        of pairs: [TextPair], _ worker: ScoringWorker, _ truncation: Truncation?, _ lease: ModelLease, _ call: Call
    ) async throws -> ([Float], Int) {
        call.note.update { $0.model = lease.model.name }
        let limits = requestLimits, limit = worker.contextLength
        let bytes = min(limits.embeddingTextBytes, limit.multiplied(clampedBy: 64))
        var all: [ScoringWorker.Pair] = [], total = 0
        for pair in pairs {
            try Task.checkCancellation()
            for (text, place) in [pair.first, pair.second] where text.utf8.count > bytes {
                throw APIError.invalid(
                    place, "has \(text.utf8.count) bytes; a model of \(limit) tokens takes at most \(bytes)",
                    code: "text_too_long")
            }
            var tokens: ScoringWorker.Pair
            do { tokens = try worker.tokens(pair.first.text, pair.second.text) } catch {
                throw APIError.invalid(pair.second.place, "cannot be expressed in the model's vocabulary: \(error)")
            }
            if truncation != nil, tokens.ids.count > limit {
                // Shortens the second text, and keeps the special token that the model expects after it.
                tokens.ids = Array(tokens.ids.prefix(limit - 1)) + tokens.ids.suffix(1)
                tokens.types = Array(tokens.types.prefix(limit - 1)) + tokens.types.suffix(1)
            }
            guard tokens.ids.count <= limit else {
                var error = APIError.contextExceeded(
                    promptTokens: tokens.ids.count, maximumTokens: nil, limit: limit)
                error.parameter = pair.second.place
                throw error
            }
            total += tokens.ids.count
            try Self.check(total, limits, pair.second.place)
            all.append(tokens)
        }
        call.note.update { $0.promptTokens = total }
        return (try await worker.scores(all), total)
    }

    private func vectors(
        of texts: [(String, String)], _ truncation: Truncation?, _ lease: ModelLease, _ call: Call
    ) async throws -> (vectors: [[Float]], promptTokens: Int) {
        let worker = try embedder(lease, call)
        let tokens = try Self.tokens(
            texts.map { (.text($0.0), $0.1) }, worker, truncation, limits: requestLimits)
        return (try await worker.embed(tokens), count(tokens, call))
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

    private static func product(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

    /// Not every model returns vectors of length one.
    private static func cosine(_ a: [Float], _ b: [Float]) -> Float {
        let lengths = (product(a, a) * product(b, b)).squareRoot()
        return lengths > 0 ? product(a, b) / lengths : 0
    }

    private static func normalized(_ vector: [Float]) -> [Float] {
        let length = product(vector, vector).squareRoot()
        // A vector that already has length one keeps its bits.
        return length > 0 && abs(length - 1) > 1e-5 ? vector.map { $0 / length } : vector
    }

    /// The tokens of each input, checked against the limits of a request.
    private static func tokens(
        _ inputs: [(GenerationRequest.Prompt, String)], _ worker: EmbeddingWorker,
        _ truncation: Truncation?, contextLength: Int? = nil, limits: RequestLimits
    ) throws -> [[Int32]] {
        let limit = min(worker.contextLength, contextLength ?? .max)
        var all: [[Int32]] = [], total = 0
        for (input, place) in inputs {
            try Task.checkCancellation()
            let tokens = try tokens(input, worker, truncation, limit: limit, place: place)
            total += tokens.count
            try check(total, limits, place)
            all.append(tokens)
        }
        return all
    }

    private static func check(_ total: Int, _ limits: RequestLimits, _ place: String) throws(APIError) {
        guard total <= limits.embeddingTokens else {
            throw APIError(
                "The texts up to \(place) have \(total) tokens; a request may have \(limits.embeddingTokens). "
                    + "Send them as several requests.", parameter: place, code: "too_many_tokens")
        }
    }

    private static func tokens(
        _ input: GenerationRequest.Prompt, _ worker: EmbeddingWorker, _ truncation: Truncation?, limit: Int,
        place: String
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
            do { tokens = try worker.tokens(text) } catch {
                throw APIError.invalid(place, "cannot be expressed in the model's vocabulary: \(error)")
            }
        }
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

    /// Truncates the text and keeps the special tokens around it, which the model expects.
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
