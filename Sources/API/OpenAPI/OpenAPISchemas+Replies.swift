import MartletJSON

extension OpenAPISchemas {
    private static let finish = nullable(choice(["stop", "length", "tool_calls"]))

    private static func generated(_ kind: String, _ choice: JSON) -> JSON {
        object(
            [
                "id": text, "object": ["const": .string(kind)], "created": count, "model": text,
                "system_fingerprint": nullable(text), "choices": list(choice), "usage": reference("Usage"),
                "timings": anyObject,
            ], required: ["id", "object", "created", "model", "choices", "usage"])
    }

    static let replies: JSONObject = [
        "ChatCompletion": generated(
            "chat.completion",
            object(
                [
                    "index": count, "finish_reason": finish, "logprobs": nullable(anyObject),
                    "message": object(
                        [
                            "role": ["const": "assistant"], "content": nullable(text), "refusal": nullable(text),
                            "reasoning_content": text, "reasoning": text, "tool_calls": list(reference("ToolCall")),
                        ], required: ["role", "content"]),
                ], required: ["index", "message", "finish_reason"])),
        "Completion": generated(
            "text_completion",
            object(
                ["index": count, "text": text, "finish_reason": finish, "logprobs": nullable(anyObject)],
                required: ["index", "text", "finish_reason"])),
        "Embeddings": object(
            [
                "object": ["const": "list"], "model": text, "usage": reference("Usage"),
                "data": list(
                    object(
                        [
                            "object": ["const": "embedding"], "index": count,
                            "embedding": ["anyOf": [list(["type": "number"]), text]],
                        ], required: ["object", "index", "embedding"])),
            ], required: ["object", "model", "data", "usage"]),
        "Rerank": object(
            [
                "object": ["const": "list"], "model": text, "usage": reference("Usage"),
                "results": list(
                    object(
                        ["index": count, "relevance_score": ["type": "number"], "document": object(["text": text])],
                        required: ["index", "relevance_score"])),
            ], required: ["model", "results"]),
        "Score": object(
            [
                "object": ["const": "list"], "model": text, "usage": reference("Usage"),
                "data": list(object(["index": count, "score": ["type": "number"]], required: ["index", "score"])),
            ], required: ["model", "data"]),
        "Tokenize": object(
            [
                "count": count, "max_model_len": count, "token_strs": nullable(list(text)),
                "tokens": list(["anyOf": [token, object(["id": token], required: ["id"])]]),
            ], required: ["tokens"]),
        "Detokenize": object(["prompt": text, "content": text], required: ["prompt", "content"]),
        "ApplyTemplate": object(["prompt": text], required: ["prompt"]),
        "Model": object(
            [
                "id": text, "object": ["const": "model"], "created": count, "owned_by": text,
                "max_model_len": nullable(count), "root": nullable(text), "parent": nullable(text), "meta": anyObject,
            ], required: ["id", "object", "created", "owned_by"]),
        "ModelList": object(
            ["object": ["const": "list"], "data": list(reference("Model"))], required: ["object", "data"]),
    ]
}
