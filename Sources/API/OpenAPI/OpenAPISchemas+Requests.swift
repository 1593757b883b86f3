import MartletJSON

extension OpenAPISchemas {
    /// Members that chat and text completions share.
    private static let shared: JSONObject = {
        let limits = RequestLimits()
        return [
            "model": text, "n": integer(1, limits.samples), "temperature": number(0, 2), "top_p": number(0, 1),
            "top_k": integer(-1, Int(Int32.max)), "min_p": number(0, 1), "typical_p": number(0, 1),
            "repetition_penalty": number(0.01, 100), "presence_penalty": number(-2, 2),
            "frequency_penalty": number(-2, 2),
            "seed": ["type": "integer", "minimum": .integer(Int64.min), "maximum": .integer(Int64.max)],
            "stop": ["anyOf": [stop, list(stop, atMost: limits.stopStrings)]],
            "stop_token_ids": list(token, atMost: limits.stopTokens), "ignore_eos": flag, "skip_special_tokens": flag,
            "min_tokens": integer(0, Int(Int32.max)), "include_stop_str_in_output": flag,
            "logit_bias": [
                "type": "object", "maxProperties": .integer(limits.logitBiases),
                "additionalProperties": number(-100, 100),
                "propertyNames": ["pattern": "^[0-9]{1,9}$"],
            ], "allowed_token_ids": list(token, atLeast: 1), "stream": flag,
            "stream_options": reference("StreamOptions"),
            "response_format": reference("ResponseFormat"), "user": text, "cache_salt": text, "return_token_ids": flag,
            "return_tokens_as_token_ids": flag, "add_special_tokens": flag,
            "prompt_logprobs": integer(0, limits.topLogProbabilities), "guided_json": anyObject, "guided_regex": text,
            "guided_choice": list(text, atLeast: 1, atMost: 4096), "guided_grammar": text,
        ]
    }()

    private static var stop: JSON { ["type": "string", "maxLength": 64] }

    private static func merged(_ members: JSONObject, _ more: JSONObject) -> JSONObject {
        var result = members
        for (key, value) in more { result[key] = value }
        return result
    }

    static let generation: JSONObject = [
        "ChatCompletionRequest": request(
            merged(
                [
                    "messages": list(reference("Message"), atLeast: 1, atMost: RequestLimits().messages),
                    "max_completion_tokens": integer(1, Int(Int32.max)), "max_tokens": integer(1, Int(Int32.max)),
                    "logprobs": flag, "top_logprobs": integer(0, RequestLimits().topLogProbabilities),
                    "tools": list(reference("Tool"), atMost: RequestLimits().tools),
                    "tool_choice": reference("ToolChoice"),
                    "parallel_tool_calls": flag,
                    "reasoning_effort": choice(ReasoningSettings.Effort.allCases.map(\.rawValue)),
                    "include_reasoning": flag, "chat_template_kwargs": anyObject, "add_generation_prompt": flag,
                    "continue_final_message": flag, "documents": list(anyObject, atMost: RequestLimits().documents),
                ], shared), required: ["messages"]),
        "CompletionRequest": request(
            merged(
                [
                    "prompt": reference("Prompt"), "max_tokens": integer(0, Int(Int32.max)), "echo": flag,
                    "logprobs": integer(0, RequestLimits().topLogProbabilities), "suffix": ["const": ""],
                ], shared), required: ["prompt"]),
    ]

    static let others: JSONObject = [
        "EmbeddingsRequest": request(
            [
                "input": reference("Prompt"), "model": text,
                "encoding_format": choice(EmbeddingsRequest.Format.allCases.map(\.rawValue)),
                "dimensions": integer(1, 65536), "user": text,
            ], required: ["input"]),
        "RerankRequest": request(
            [
                "query": text, "model": text, "top_n": integer(1, Int(Int32.max)), "return_documents": flag,
                "documents": list(
                    ["anyOf": [text, object(["text": text], required: ["text"])]], atLeast: 1,
                    atMost: RequestLimits().documents),
            ], required: ["query", "documents"]),
        "ScoreRequest": request(
            [
                "model": text, "text_1": ["anyOf": [text, list(text, atLeast: 1)]],
                "text_2": ["anyOf": [text, list(text, atLeast: 1)]],
            ], required: ["text_1", "text_2"]),
        "TokenizeRequest": [
            "anyOf": [
                request(
                    ["prompt": text, "model": text, "add_special_tokens": flag, "return_token_strs": flag],
                    required: ["prompt"]),
                request(
                    [
                        "messages": list(reference("Message"), atLeast: 1), "model": text, "add_special_tokens": flag,
                        "add_generation_prompt": flag, "tools": list(reference("Tool")),
                    ], required: ["messages"]),
                request(
                    ["content": text, "add_special": flag, "parse_special": flag, "with_pieces": flag],
                    required: ["content"]),
            ]
        ],
        "DetokenizeRequest": request(["tokens": list(token), "model": text], required: ["tokens"]),
        "ApplyTemplateRequest": request(
            [
                "messages": list(reference("Message"), atLeast: 1), "model": text, "tools": list(reference("Tool")),
                "chat_template_kwargs": anyObject, "add_generation_prompt": flag,
            ], required: ["messages"]),
    ]
}
