import MartletChat
import MartletJSON

/// A stored response that later requests can continue.
public struct KeptResponse: Sendable {
    public let id: String
    /// The response as it was sent.
    public let response: JSON
    /// The messages of the request, with the earlier ones, and the reply.
    public let messages: [ChatMessage]
    /// The input items of its own request.
    public let inputItems: [JSON]

    /// - Throws: `APIError` when the response cannot be continued.
    public init(_ response: JSON, to request: GenerationRequest) throws(APIError) {
        id = response["id"]?.string ?? ""
        self.response = response
        inputItems = request.inputItems
        var messages = request.messagesToKeep
        for (index, item) in (response["output"]?.array ?? []).enumerated() {
            try ResponsesInput.add(item, "output[\(index)]", to: &messages)
        }
        self.messages = messages
    }

    /// Its approximate memory in bytes.
    public var byteCount: Int {
        let texts = [response] + messages.map(\.json) + inputItems
        return texts.reduce(0) { $0 + 256 + $1.bytes().count }
    }

    /// `GET /v1/responses/{id}/input_items`.
    public var inputList: JSON {
        [
            "object": "list", "data": .array(inputItems), "first_id": inputItems.first?["id"] ?? .null,
            "last_id": inputItems.last?["id"] ?? .null, "has_more": false,
        ]
    }

    /// The answer to `DELETE /v1/responses/{id}`.
    public static func deleted(_ id: String) -> JSON {
        ["id": .string(id), "object": "response", "deleted": true]
    }

    /// The answer to `POST /v1/responses/input_tokens`.
    public static func inputTokens(_ count: Int) -> JSON {
        ["object": "response.input_tokens", "input_tokens": .integer(count)]
    }
}
