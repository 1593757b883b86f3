import MartletChat
import MartletJSON

/// A response that is kept for later requests.
public struct KeptResponse: Sendable {
    public let id: String
    /// As it was answered.
    public let response: JSON
    /// What it was asked, with what came before it, and what it said.
    public let messages: [ChatMessage]
    /// The items of its own request.
    public let inputItems: [JSON]

    /// - Throws: `APIError` where the response is none that can be gone on from.
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

    /// About how many bytes it takes.
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
