import MartletJSON

extension OpenAPISchemas {
    /// Members that chat and text completions share.
    static let shared: JSONObject = {
        let limits = RequestLimits()
        return [
            "model": word, "n": integer(1, limits.samples), "best_of": integer(1, limits.samples),
            "use_beam_search": flag, "length_penalty": number(-100, 100),
            "early_stopping": any(flag, choice(["never"])), "src_lang": text(atMost: 64), "tgt_lang": text(atMost: 64),
            "temperature": number(0, 2), "top_p": number(0, 1), "top_k": integer(-1, Int(Int32.max)),
            "min_p": number(0, 1), "typical_p": number(0, 1), "repetition_penalty": number(0.01, 100),
            "repeat_penalty": number(0.01, 100), "repeat_last_n": integer(-1, Int(Int32.max)),
            "presence_penalty": number(-2, 2),
            "frequency_penalty": number(-2, 2), "seed": seed, "stop": stops,
            "stop_token_ids": list(token, atMost: limits.stopTokens), "ignore_eos": flag, "skip_special_tokens": flag,
            "min_tokens": integer(0, Int(Int32.max)), "include_stop_str_in_output": flag, "logit_bias": logitBias,
            "allowed_token_ids": list(token, atLeast: 1, atMost: 1 << 20), "stream": flag,
            "stream_options": reference("StreamOptions"), "timings_per_token": flag,
            "response_format": reference("ResponseFormat"), "user": word, "safety_identifier": word,
            "request_id": text(atMost: 256), "cache_salt": text(atMost: limits.cacheSaltLength),
            "return_token_ids": flag, "return_tokens": flag, "return_tokens_as_token_ids": flag,
            "add_special_tokens": flag, "prompt_logprobs": integer(0, limits.topLogProbabilities),
            "truncate_prompt_tokens": integer(-1, 1 << 24), "truncation_side": choice(["left", "right"]),
            "guided_json": schema, "guided_regex": text, "guided_choice": texts, "guided_grammar": text,
            "grammar": text, "json_schema": schema, "regex": text, "ebnf": text,
            "structured_outputs": reference("StructuredOutputs"),
            "guided_decoding": reference("StructuredOutputs"),
            "repetition_detection": repetitionDetection,
        ]
    }()

    /// What ends a reply that goes round in circles.
    static let repetitionDetection: JSON = object([
        "max_pattern_size": integer(0, 4096), "min_pattern_size": integer(0, 4096), "min_count": integer(0, 1024),
        "min_tokens": integer(0, 1 << 20),
    ])

    /// Tokens of a reply; −1 for what there is room for.
    static func replyLength(least: Int) -> JSON { any(integer(least, Int(Int32.max)), ["const": -1]) }

    static let seed: JSON = ["type": "integer", "minimum": .integer(Int64.min), "maximum": .integer(Int64.max)]
    static let stops: JSON = {
        let stop = text(atMost: RequestLimits().stopStringLength)
        return any(stop, list(stop, atMost: RequestLimits().stopStrings))
    }()
    /// By token ids, or as llama.cpp's pairs.
    static let logitBias = any(
        [
            "type": "object", "maxProperties": .integer(RequestLimits().logitBiases),
            "additionalProperties": number(-100, 100), "propertyNames": ["pattern": "^[0-9]{1,9}$"],
        ],
        list(
            list(any(token, number(-100, 100), ["const": false]), atLeast: 2, atMost: 2),
            atMost: RequestLimits().logitBiases))
    /// A JSON Schema.
    static let schema = any(anyObject, flag)
    private static let texts = list(text, atLeast: 1, atMost: 4096)

    private static func merged(_ members: JSONObject, _ more: JSONObject) -> JSONObject {
        var result = members
        for (key, value) in more { result[key] = value }
        return result
    }

    static let generation: JSONObject = [
        "ChatCompletionRequest": request(
            merged(
                [
                    "max_completion_tokens": replyLength(least: 1), "max_tokens": replyLength(least: 1),
                    "logprobs": flag, "top_logprobs": integer(0, RequestLimits().topLogProbabilities),
                    "reasoning_effort": choice(ReasoningSettings.Effort.allCases.map(\.rawValue)),
                    "include_reasoning": flag, "reasoning_format": choice(["none", "auto", "deepseek"]),
                ], merged(conversation, shared)), required: ["messages"]),
        "CompletionRequest": request(
            merged(
                [
                    "prompt": reference("Prompt"), "max_tokens": replyLength(least: 0), "echo": flag,
                    "logprobs": any(flag, integer(0, RequestLimits().topLogProbabilities)),
                    "top_logprobs": integer(0, RequestLimits().topLogProbabilities), "suffix": ["const": ""],
                ], shared), required: ["prompt"]),
    ]

    private static let documentTexts = list(
        ["anyOf": [text, object(["text": text], required: ["text"])]], atLeast: 1, atMost: RequestLimits().documents)

    private static let conversation: JSONObject = [
        "messages": list(reference("Message"), atLeast: 1, atMost: RequestLimits().messages),
        "tools": list(reference("Tool"), atMost: RequestLimits().tools), "tool_choice": reference("ToolChoice"),
        "parallel_tool_calls": flag, "chat_template_kwargs": anyObject, "add_generation_prompt": flag,
        "continue_final_message": flag, "documents": list(anyObject, atMost: RequestLimits().documents),
    ]

    static let others: JSONObject = [
        "EmbeddingsRequest": request(
            [
                "input": reference("Prompt"), "model": word,
                "encoding_format": choice(EmbeddingsRequest.Format.allCases.map(\.rawValue)),
                "dimensions": integer(1, 65536), "user": word, "truncate_prompt_tokens": integer(-1, 1 << 24),
            ], required: ["input"]),
        "PoolingRequest": request(
            [
                "input": reference("Prompt"), "model": word, "task": ["const": "embed"],
                "encoding_format": choice(EmbeddingsRequest.Format.allCases.map(\.rawValue)),
                "dimensions": integer(1, 65536), "user": word, "truncate_prompt_tokens": integer(-1, 1 << 24),
            ], required: ["input"]),
        "RerankRequest": any(
            request(
                [
                    "query": text, "model": word, "top_n": integer(1, Int(Int32.max)), "return_documents": flag,
                    "documents": documentTexts,
                ], required: ["query", "documents"]),
            request(
                [
                    "query": text, "model": word, "raw_scores": ["const": false], "return_text": flag,
                    "truncate": flag, "truncation_direction": choice(["Right", "Left", "right", "left"]),
                    "texts": documentTexts,
                ], required: ["query", "texts"])),
        "ScoreRequest": [
            "anyOf": .array(
                ScoreRequest.names.map { first, second in
                    let texts = any(text, list(text, atLeast: 1))
                    return request(["model": word, first: texts, second: texts], required: [first, second])
                })
        ],
        "TokenizeRequest": [
            "anyOf": [
                request(
                    ["prompt": text, "model": word, "add_special_tokens": flag, "return_token_strs": flag],
                    required: ["prompt"]),
                request(
                    merged(
                        ["model": word, "add_special_tokens": flag, "return_token_strs": flag], conversation),
                    required: ["messages"]),
                request(
                    [
                        "content": text, "model": word, "add_special": flag, "parse_special": flag,
                        "with_pieces": flag,
                    ],
                    required: ["content"]),
            ]
        ],
        "DetokenizeRequest": request(["tokens": list(token), "model": text], required: ["tokens"]),
        "ApplyTemplateRequest": request(merged(["model": word], conversation), required: ["messages"]),
        "StructuredOutputs": request([
            "json": schema, "regex": text, "choice": texts, "grammar": text, "json_object": flag,
        ]),
    ]
}
