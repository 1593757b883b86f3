import MartletJSON

/// Requests and replies of the APIs of llama.cpp's server, text-generation-inference and text-embeddings-inference.
extension OpenAPISchemas {
    private static let limits = RequestLimits()

    private static func with(_ members: JSONObject, _ more: JSONObject) -> JSONObject {
        var all = members
        for (key, value) in more { all[key] = value }
        return all
    }

    /// Members of `/completion` and `/infill`, besides those shared with OpenAI's API.
    private static let llama: JSONObject = with(
        shared,
        [
            "n_predict": integer(-2, Int(Int32.max)), "n_probs": integer(0, limits.topLogProbabilities),
            "t_max_predict_ms": ["const": 0], "t_max_prompt_ms": ["const": 0],
            "image_data": ["type": "array", "maxItems": 0], "response_fields": ["type": "array", "maxItems": 0],
            "n_indent": ["const": 0],
            "lora": list(object(["id": count, "scale": number(-100, 100)], required: ["id"]), atMost: 1024),
        ])

    private static let truncated: JSONObject = [
        "truncate": flag, "truncation_direction": choice(["Right", "Left", "right", "left"]),
    ]

    static let llamaServer: JSONObject = [
        "LlamaCompletionRequest": request(with(llama, ["prompt": reference("Prompt")]), required: ["prompt"]),
        "InfillRequest": request(
            with(
                llama,
                [
                    "input_prefix": text, "input_suffix": text, "prompt": text,
                    "input_extra": list(
                        object(["filename": nullable(text), "text": text], required: ["text"]),
                        atMost: limits.documents),
                ]), required: ["input_prefix", "input_suffix"]),
        "LlamaCompletion": any(reference("LlamaCompletionOne"), list(reference("LlamaCompletionOne"))),
        "LlamaCompletionOne": object(
            [
                "index": count, "content": text, "tokens": list(token), "id_slot": ["type": "integer"], "stop": flag,
                "model": text, "tokens_predicted": count, "tokens_evaluated": count, "tokens_cached": count,
                "has_new_line": flag, "truncated": flag, "stop_type": choice(["eos", "word", "limit", "none"]),
                "generation_settings": anyObject, "timings": anyObject, "completion_probabilities": list(anyObject),
            ], required: ["index", "content", "stop", "tokens_predicted", "stop_type"]),
        "LlamaEmbeddingRequest": any(llamaEmbedding("content"), llamaEmbedding("input")),
        "LlamaEmbedding": list(
            object(["index": count, "embedding": list(list(decimal))], required: ["index", "embedding"])),
    ]

    private static func llamaEmbedding(_ input: String) -> JSON {
        request(["model": word, input: reference("Prompt"), "embd_normalize": ["enum": [2, -1]]], required: [input])
    }

    private static func generate(_ more: JSONObject) -> JSON {
        request(
            with(["inputs": text, "model": word, "parameters": reference("GenerateParameters")], more),
            required: ["inputs"])
    }

    static let textGeneration: JSONObject = [
        "GenerateRequest": generate([:]),
        "GenerateOrStreamRequest": generate(["stream": flag]),
        "GenerateParameters": request([
            "do_sample": flag, "temperature": number(0, 2), "top_k": integer(0, Int(Int32.max)),
            "top_p": number(0, 1), "typical_p": number(0, 1), "repetition_penalty": number(0.01, 100),
            "frequency_penalty": number(-2, 2), "seed": seed, "max_new_tokens": integer(1, Int(Int32.max)),
            "stop": list(text(atMost: limits.stopStringLength), atMost: limits.stopStrings),
            "truncate": integer(1, 1 << 24), "return_full_text": flag, "details": flag,
            "decoder_input_details": flag, "top_n_tokens": integer(0, limits.topLogProbabilities),
            "grammar": any(
                object(["type": choice(["json", "json_schema"]), "value": schema], required: ["type", "value"]),
                object(["type": constant("regex"), "value": text], required: ["type", "value"])),
            "best_of": ["const": 1], "watermark": ["const": false],
        ]),
        "Generate": object(
            ["generated_text": text, "details": reference("GenerateDetails")], required: ["generated_text"]),
        "GenerateList": list(reference("Generate")),
        "GenerateDetails": object(
            [
                "finish_reason": choice(["length", "eos_token", "stop_sequence"]), "generated_tokens": count,
                "seed": nullable(["type": "integer"]), "prefill": list(reference("GenerateToken")),
                "tokens": list(reference("GenerateToken")), "top_tokens": list(list(reference("GenerateToken"))),
                "input_length": count,
            ], required: ["finish_reason", "generated_tokens"]),
        "GenerateToken": object(
            ["id": token, "text": text, "logprob": nullable(decimal), "special": flag], required: ["id", "text"]),
        "InferenceError": object(["error": text, "error_type": text], required: ["error", "error_type"]),
        "InferenceInformation": object(
            [
                "model_id": text, "model_sha": nullable(text), "model_dtype": text, "version": text,
                "sha": nullable(text), "docker_label": nullable(text), "max_concurrent_requests": count,
                "model_type": anyObject, "max_input_length": count, "max_batch_tokens": count,
                "max_client_batch_size": count, "auto_truncate": flag, "model_device_type": text,
                "model_pipeline_tag": text, "max_best_of": count, "max_stop_sequences": count,
                "max_input_tokens": count, "max_total_tokens": count, "router": text,
            ], required: ["model_id", "model_dtype", "version"]),
    ]

    static let textEmbeddings: JSONObject = [
        "EmbedRequest": request(
            with(
                [
                    "inputs": reference("Prompt"), "model": word, "dimensions": integer(1, 65536),
                    "normalize": flag,
                ], truncated), required: ["inputs"]),
        "Embed": list(list(decimal)),
        "SimilarityRequest": request(
            [
                "model": word, "parameters": request(truncated),
                "inputs": object(
                    ["source_sentence": text, "sentences": list(text, atLeast: 1, atMost: limits.documents)],
                    required: ["source_sentence", "sentences"]),
            ], required: ["inputs"]),
        "Similarity": list(decimal),
        "PredictRequest": request(
            with(
                [
                    "model": word, "raw_scores": flag,
                    "inputs": any(text, list([:], atLeast: 1, atMost: limits.documents)),
                ], truncated),
            required: ["inputs"]),
        "Predict": list(object(["label": text, "score": decimal], required: ["label", "score"])),
        "RerankList": list(
            object(["index": count, "score": decimal, "text": text], required: ["index", "score"])),
    ]
}
