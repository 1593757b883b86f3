import MartletJSON

extension OpenAPISchemas {
    private static let finish = nullable(choice(["stop", "length", "tool_calls"]))

    /// For each token of the prompt except the first: candidates by their token ids.
    private static let promptLogProbabilities = list(nullable(anyObject))

    private static func generated(_ kind: String, _ choice: JSON) -> JSON {
        object(
            [
                "id": text, "object": ["const": .string(kind)], "created": count, "model": text,
                "system_fingerprint": nullable(text), "choices": list(choice), "usage": reference("Usage"),
                "timings": anyObject, "prompt_logprobs": promptLogProbabilities, "prompt_token_ids": list(token),
            ], required: ["id", "object", "created", "model", "choices", "usage"])
    }

    static let replies: JSONObject = [
        "ChatCompletion": generated(
            "chat.completion",
            object(
                [
                    "index": count, "finish_reason": finish, "logprobs": nullable(anyObject),
                    "token_ids": list(token),
                    "message": object(
                        [
                            "role": ["const": "assistant"], "content": nullable(text), "refusal": nullable(text),
                            "reasoning_content": text, "reasoning": text, "tool_calls": list(reference("ToolCall")),
                        ], required: ["role", "content"]),
                ], required: ["index", "message", "finish_reason"])),
        "Completion": generated(
            "text_completion",
            object(
                [
                    "index": count, "text": text, "finish_reason": finish, "logprobs": nullable(anyObject),
                    "token_ids": list(token), "prompt_token_ids": list(token),
                    "prompt_logprobs": promptLogProbabilities,
                ],
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
        "Pooling": object(
            [
                "id": text, "object": ["const": "list"], "created": count, "model": text, "usage": reference("Usage"),
                "data": list(
                    object(
                        [
                            "object": ["const": "pooling"], "index": count,
                            "data": ["anyOf": [list(["type": "number"]), text]],
                        ], required: ["object", "index", "data"])),
            ], required: ["id", "object", "created", "model", "data", "usage"]),
        "Rerank": object(
            [
                "id": text,
                "object": ["const": "list"], "model": text, "usage": reference("Usage"),
                "results": list(
                    object(
                        ["index": count, "relevance_score": ["type": "number"], "document": object(["text": text])],
                        required: ["index", "relevance_score"])),
            ], required: ["model", "results"]),
        "RerankAny": any(reference("Rerank"), reference("RerankList")),
        "ModelListAny": any(reference("ModelList"), reference("MessagesModelList")),
        "ModelAny": any(reference("Model"), reference("MessagesModel")),
        "Score": object(
            [
                "id": text, "created": count,
                "object": ["const": "list"], "model": text, "usage": reference("Usage"),
                "data": list(
                    object(
                        ["object": constant("score"), "index": count, "score": decimal], required: ["index", "score"])),
            ], required: ["model", "data"]),
        "Tokenize": object(
            [
                "count": count, "max_model_len": count, "token_strs": nullable(list(text)),
                "tokens": list(
                    any(token, object(["id": token, "piece": any(text, list(count))], required: ["id", "piece"]))),
            ], required: ["tokens"]),
        "Detokenize": object(["prompt": text, "content": text], required: ["prompt", "content"]),
        "ApplyTemplate": object(["prompt": text], required: ["prompt"]),
        "Model": object(
            [
                "id": text, "object": ["const": "model"], "created": count, "owned_by": text,
                "max_model_len": nullable(count), "root": nullable(text), "parent": nullable(text), "meta": anyObject,
                "capabilities": list(text), "aliases": list(text),
                "status": object(["value": choice(["loaded", "unloaded"])], required: ["value"]),
            ], required: ["id", "object", "created", "owned_by"]),
        "ModelList": object(
            ["object": ["const": "list"], "data": list(reference("Model"))], required: ["object", "data"]),
    ]
}
