import MartletJSON

/// Ollama's API.
extension OpenAPISchemas {
    private static let keepAlive = any(
        number(-GenerationRequest.longestDuration, GenerationRequest.longestDuration),
        ["type": "string", "pattern": "^-?[0-9]{1,6}(ms|us|ns|s|m|h)$"])

    /// Members that chat and generate requests share.
    private static let members: JSONObject = [
        "model": word, "stream": flag, "think": any(flag, choice(ReasoningSettings.Effort.allCases.map(\.rawValue))),
        "format": any(["enum": ["", "json"]], anyObject),
        "keep_alive": keepAlive,
        "logprobs": ["const": false], "options": reference("OllamaOptions"), "truncate": flag,
    ]

    private static func with(_ more: JSONObject) -> JSONObject {
        var all = members
        for (key, value) in more { all[key] = value }
        return all
    }

    static let ollama: JSONObject = {
        let limits = RequestLimits()
        let size = integer(-1, Int(Int32.max))
        return [
            "OllamaChatRequest": request(
                with([
                    "messages": list(reference("OllamaMessage"), atMost: limits.messages),
                    "tools": list(reference("Tool"), atMost: limits.tools),
                ]), required: ["model"]),
            "OllamaGenerateRequest": request(
                with(["prompt": text, "system": text, "raw": flag]), required: ["model"]),
            "OllamaOptions": request([
                "temperature": number(0, 2), "top_p": number(0, 1), "top_k": integer(-1, Int(Int32.max)),
                "min_p": number(0, 1), "typical_p": number(0, 1), "repeat_penalty": number(0.01, 100),
                "repetition_penalty": number(0.01, 100), "presence_penalty": number(-2, 2),
                "frequency_penalty": number(-2, 2), "seed": seed, "stop": stops,
                "num_predict": integer(-2, Int(Int32.max)), "allowed_token_ids": list(token, atLeast: 1),
                "logit_bias": logitBias, "mirostat": ["const": 0], "tfs_z": ["const": 1],
                "num_ctx": size, "repeat_last_n": integer(-1, Int(Int32.max)), "num_keep": size, "num_batch": size,
                "num_gpu": size,
                "main_gpu": size, "num_thread": size, "draft_num_predict": size,
            ]),
            "OllamaMessage": object(
                [
                    "role": choice(["system", "user", "assistant", "tool"]), "content": nullable(text),
                    "thinking": nullable(text), "tool_name": nullable(text), "tool_call_id": nullable(text),
                    "images": nullable(["type": "array", "maxItems": 0]),
                    "tool_calls": nullable(list(reference("OllamaCall"), atMost: 1024)),
                ], required: ["role"]),
            "OllamaCall": object(
                [
                    "id": nullable(text),
                    "function": object(["name": text, "arguments": nullable(anyObject)], required: ["name"]),
                ], required: ["function"]),
            "OllamaChat": object(
                ended(["message": reference("OllamaMessage")]), required: ["model", "created_at", "message", "done"]),
            "OllamaGenerate": object(
                ended(["response": text, "thinking": text]), required: ["model", "created_at", "response", "done"]),
            "OllamaEmbedRequest": any(embedding("input"), embedding("prompt")),
            "OllamaEmbed": object(
                [
                    "model": text, "embeddings": list(list(decimal)), "total_duration": count, "load_duration": count,
                    "prompt_eval_count": count,
                ], required: ["model", "embeddings"]),
            "OllamaEmbeddings": object(["embedding": list(decimal)], required: ["embedding"]),
            "OllamaPullRequest": any(
                request(["model": word, "stream": flag, "insecure": flag], required: ["model"]),
                request(["name": word, "stream": flag, "insecure": flag], required: ["name"])),
            "OllamaStatus": object(["status": text, "digest": text], required: ["status"]),
            "OllamaShowRequest": request(["model": word, "name": word]),
            "OllamaCreateRequest": request(
                [
                    "model": word, "name": word, "from": word, "system": text, "template": text,
                    "messages": list(reference("OllamaMessage"), atMost: 1024),
                    "parameters": reference("OllamaOptions"),
                    "license": any(text, list(text)), "stream": flag,
                ], required: ["from"]),
            "OllamaCopyRequest": request(["source": word, "destination": word], required: ["source", "destination"]),
            "OllamaShow": object(
                [
                    "modelfile": text, "parameters": text, "template": text, "details": reference("OllamaDetails"),
                    "model_info": anyObject, "capabilities": list(text), "modified_at": text,
                ], required: ["details", "model_info", "capabilities"]),
            "OllamaDetails": object(
                [
                    "parent_model": text, "format": text, "family": text, "families": list(text),
                    "parameter_size": text, "quantization_level": text,
                ], required: ["format", "family", "parameter_size", "quantization_level"]),
            "OllamaModels": object(
                [
                    "models": list(
                        object(
                            [
                                "name": text, "model": text, "modified_at": text, "size": count, "digest": text,
                                "details": reference("OllamaDetails"), "expires_at": text, "size_vram": count,
                                "context_length": count,
                            ], required: ["name", "model", "modified_at", "size", "digest", "details"]))
                ], required: ["models"]),
            "OllamaError": object(["error": text], required: ["error"]),
        ]
    }()

    private static func embedding(_ input: String) -> JSON {
        request(
            [
                "model": word, input: reference("Prompt"), "dimensions": integer(0, 65536), "truncate": flag,
                "keep_alive": keepAlive, "options": reference("OllamaOptions"),
            ],
            required: ["model"])
    }

    /// A reply with the members that only the last line of a stream has.
    private static func ended(_ members: JSONObject) -> JSONObject {
        var all: JSONObject = [
            "model": text, "created_at": text, "done": flag,
            "done_reason": choice(["stop", "length", "load", "unload"]),
            "total_duration": count, "load_duration": count, "prompt_eval_count": count, "prompt_eval_duration": count,
            "eval_count": count, "eval_duration": count,
        ]
        for (key, value) in members { all[key] = value }
        return all
    }
}
