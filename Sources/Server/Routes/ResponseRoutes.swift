import Martlet
import MartletAPI
import MartletJSON
import MartletSystem

extension Server {
    /// OpenAI's Responses API, including stored responses.
    func responseRoutes() -> [Route] {
        let limits = requestLimits
        return [
            Route(
                .post, "/v1/responses", scope: .inference, summary: "A response, which may go on from one that is kept."
            ) { [self] call in
                try await generate(try responsesRequest(call, limits), call)
            },
            Route(.post, "/v1/responses/input_tokens", scope: .inference, summary: "Tokens of a response's prompt.") {
                [self] call in
                let request = try responsesRequest(call, limits)
                let count = try await withModel(request.model) {
                    try GenerationPlan.promptTokens(request, model: $0, adapter: $1)
                }
                return .json(KeptResponse.inputTokens(count))
            },
            Route(.get, "/v1/responses/{id}", scope: .inference, summary: "A response that is kept.") { [self] call in
                .json(try kept(call).response)
            },
            Route(
                .get, "/v1/responses/{id}/input_items", scope: .inference, summary: "What a kept response was asked."
            ) { [self] call in .json(try kept(call).inputList) },
            Route(.delete, "/v1/responses/{id}", scope: .inference, summary: "Forgets a kept response.") {
                [self] call in
                let kept = try kept(call)
                keptResponses.forget(kept.id, of: call.caller.name)
                return .json(KeptResponse.deleted(kept.id))
            },
        ].flatMap(\.withAndWithoutVersion)
    }

    private func responsesRequest(_ call: Call, _ limits: RequestLimits) throws(APIError) -> GenerationRequest {
        var request = try GenerationRequest(responses: call.body, limits: limits)
        guard let id = request.previousResponseID else { return request }
        guard let earlier = keptResponses.find(id, of: call.caller.name) else {
            throw APIError(
                status: 404, "The response \(id.quoted()) is not kept (any more).", parameter: "previous_response_id",
                code: "previous_response_not_found")
        }
        request.goOn(from: earlier.messages)
        guard request.messagesToKeep.count <= limits.messages else {
            throw APIError.invalid(
                "previous_response_id",
                "leads to \(request.messagesToKeep.count) messages; at most \(limits.messages) are allowed")
        }
        return request
    }

    private func kept(_ call: Call) throws(APIError) -> KeptResponse {
        let id = call.parameters["id"] ?? ""
        guard let kept = keptResponses.find(id, of: call.caller.name) else {
            throw APIError(
                status: 404, "The response \(id.quoted()) is not kept (any more).", parameter: "id", code: "not_found")
        }
        return kept
    }
}
