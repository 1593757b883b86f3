import Martlet
import MartletAPI
import MartletJSON

extension Server {
    /// Changes inside a model while it reads: activation patching between two prompts, and steering by a direction.
    func interventionRoutes() -> [Route] {
        let limits = requestLimits
        return [
            Route(
                .post, "/inspect/patch", scope: .inference,
                summary: "Activations of one prompt put into another: what of its answer comes back."
            ) { [self] call in
                let request = try PatchingRequest(call.body, limits: limits)
                return try await intervene(call, request.model) { try request.answer($0, name: $1) }
            },
            Route(
                .post, "/inspect/steer", scope: .inference,
                summary: "A direction between two kinds of texts, and how a prompt goes on with it."
            ) { [self] call in
                let request = try SteeringRequest(call.body, limits: limits)
                return try await intervene(call, request.model) { try request.answer($0, name: $1) }
            },
        ]
    }

    private func intervene(
        _ call: Call, _ model: String?, _ body: @escaping @Sendable (LanguageModel, String) throws -> JSON
    ) async throws -> Response {
        try await inspected(call, model) { model, name in
            do { return try body(model, name) } catch let error as InterpretabilityError {
                throw APIError(error.description, parameter: error.parameter, code: "cannot_inspect")
            } catch is CancellationError { throw APIError.clientLeft }
        }
    }
}

extension InterpretabilityError {
    fileprivate var parameter: String? {
        if case .lengthsDiffer = self { "corrupted" } else { nil }
    }
}

/// A token and its probability, the most probable first.
private func next(_ logits: [Float], _ model: LanguageModel, count: Int = 8) -> JSON {
    .array(
        LogitLens.best(logits, count).map {
            ["text": .string(ModelStudy.shown($0.token, model)), "probability": .number($0.probability)]
        })
}

extension PatchingRequest {
    func answer(_ model: LanguageModel, name: String) throws -> JSON {
        let first = try model.tokenizer.encode(clean), second = try model.tokenizer.encode(corrupted)
        guard first.count <= Self.mostTokens else {
            throw APIError.invalid("clean", "has \(first.count) tokens; at most \(Self.mostTokens) are patched")
        }
        let probe = ModelProbe(model), layers = probe.layerCount
        let (answer, wrong) = try ModelStudy.answers(
            model, clean: first, corrupted: second, answer: self.answer, wrong: self.wrong)
        let part: ActivationName.Part =
            switch part {
            case .residual: .residualAfter
            case .attention: .attentionUpdate
            case .feedforward: .feedForwardUpdate
            }
        func texts(_ tokens: [Int32]) -> JSON { .array(tokens.map { .string(ModelStudy.shown($0, model)) }) }
        func grid(_ values: [[Double]]) -> JSON { .array(values.map { .array($0.map { .number($0) }) }) }
        var object: JSONObject = [
            "object": "patching", "model": .string(name), "clean_tokens": texts(first),
            "corrupted_tokens": texts(second), "answer": .string(ModelStudy.shown(answer, model)),
            "wrong": .string(ModelStudy.shown(wrong, model)),
        ]
        if let cell {
            guard cell.layer < layers, cell.token < first.count else {
                throw APIError.invalid(
                    "cell", "is not there: the model has \(layers) layers, the prompt \(first.count) tokens")
            }
            let place = ActivationName(layer: cell.layer, part)
            let found = try ActivationPatching.one(
                probe, clean: first, corrupted: second, answer: answer, wrong: wrong, place, token: cell.token)
            object["clean"] = .number(found.clean)
            object["corrupted"] = .number(found.corrupted)
            object["cell"] = [
                "layer": .integer(Int64(cell.layer)), "token": .integer(Int64(cell.token)),
                "restored": .number(found.restored), "next": next(found.logits, model),
            ]
            return .object(object)
        }
        let found = try ActivationPatching(
            probe, clean: first, corrupted: second, answer: answer, wrong: wrong, part: part, includesHeads: heads,
            isCancelled: { Task.isCancelled })
        object["clean"] = .number(found.clean)
        object["corrupted"] = .number(found.corrupted)
        object["residuals"] = grid(found.residuals)
        if heads { object["heads"] = grid(found.heads) }
        return .object(object)
    }
}

extension SteeringRequest {
    func answer(_ model: LanguageModel, name: String) throws -> JSON {
        func tokens(_ text: String, _ field: String) throws -> [Int32] {
            let tokens = try model.tokenizer.encode(text)
            guard (1...Self.mostTokens).contains(tokens.count) else {
                throw APIError.invalid(field, "has \(tokens.count) tokens; from 1 to \(Self.mostTokens) are read")
            }
            return tokens
        }
        let layers = model.configuration.layerCount, probe = ModelProbe(model)
        guard (layer ?? 0) < layers else {
            throw APIError.invalid("layer", "is \(layer ?? 0); the model has the layers 0 to \(layers - 1)")
        }
        let place = layer ?? layers / 2
        let vector = try SteeringVector(
            probe, layer: place, towards: towards.map { try tokens($0, "towards") },
            from: away.map { try tokens($0, "away") }, isCancelled: { Task.isCancelled })
        let start = try tokens(prompt, "prompt")
        let replies = try strengths.map { strength -> JSON in
            let found = try vector.continuation(
                model, of: start, strength: strength, count: maximumTokens, isCancelled: { Task.isCancelled })
            return [
                "strength": .number(Double(strength)), "text": .string(try model.tokenizer.decode(found.tokens)),
                "next": next(found.logits, model),
            ]
        }
        let stream = try probe.run(start, keeping: ["layers.\(place).residual.after"])
        let last: [Float] = try stream(ActivationName(layer: place, .residualAfter))
            .leadingRows(start.count - 1, count: 1).toArray()
        func length(_ values: [Float]) -> JSON {
            .number(values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
        }
        return [
            "object": "steering", "model": .string(name), "layer": .integer(Int64(place)),
            "layers": .integer(Int64(layers)), "length": length(vector.values), "residual_length": length(last),
            "replies": .array(replies),
        ]
    }
}
