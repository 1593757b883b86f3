import MartletJSON

/// The Responses API.
extension OpenAPISchemas {
    static let responses: JSONObject = [
        "ResponsesRequest": request(
            [
                "input": any(
                    ["type": "string"],
                    list(reference("ResponsesInputItem"), atLeast: 1, atMost: RequestLimits().messages)),
                "instructions": text, "model": word, "max_output_tokens": replyLength(least: 1),
                "previous_response_id": word, "store": flag,
                "temperature": number(0, 2), "top_p": number(0, 1), "stream": flag, "parallel_tool_calls": flag,
                "tools": list(
                    object(
                        [
                            "type": constant("function"), "name": toolName, "description": nullable(text),
                            "parameters": nullable(toolParameters), "strict": nullable(flag),
                        ], required: ["type", "name"]), atMost: RequestLimits().tools),
                "tool_choice": reference("ToolChoice"),
                "reasoning": request(["effort": choice(ReasoningSettings.Effort.allCases.map(\.rawValue))]),
                "text": request([
                    "format": any(
                        object(["type": choice(["text", "json_object"])], required: ["type"]),
                        object(["type": constant("json_schema"), "schema": anyObject], required: ["type", "schema"]))
                ]), "user": word, "metadata": anyObject, "truncation": constant("disabled"),
                "background": ["const": false], "top_logprobs": ["const": 0],
            ], required: ["input"]),
        "ResponsesInputItem": any(
            reference("Message"),
            object(
                [
                    "type": constant("function_call"), "call_id": text, "name": text,
                    "arguments": ["type": "string"],
                ], required: ["type", "call_id", "name", "arguments"]),
            object(
                [
                    "type": constant("function_call_output"), "call_id": text,
                    "output": any(text, list(reference("TextPart"))),
                ], required: ["type", "call_id", "output"]),
            object(["type": constant("reasoning")], required: ["type"])),
        "Response": object(
            [
                "id": text, "object": constant("response"), "created_at": count,
                "status": choice(["in_progress", "completed", "incomplete"]), "error": ["type": "null"],
                "incomplete_details": nullable(object(["reason": text], required: ["reason"])), "model": text,
                "instructions": nullable(text), "previous_response_id": nullable(text),
                "truncation": constant("disabled"),
                "output": list(reference("ResponsesItem")), "parallel_tool_calls": flag,
                "max_output_tokens": nullable(count), "temperature": decimal, "top_p": decimal,
                "reasoning": object(["effort": nullable(text), "summary": ["type": "null"]]), "text": anyObject,
                "tool_choice": ["type": ["string", "object"]], "tools": list(anyObject), "user": nullable(text),
                "metadata": anyObject, "store": flag,
                "usage": nullable(
                    object(
                        [
                            "input_tokens": count, "output_tokens": count, "total_tokens": count,
                            "input_tokens_details": object(
                                ["cached_tokens": count, "cache_write_tokens": count], required: ["cached_tokens"]),
                            "output_tokens_details": object(
                                ["reasoning_tokens": count], required: ["reasoning_tokens"]),
                        ], required: ["input_tokens", "output_tokens", "total_tokens"])),
            ], required: ["id", "object", "created_at", "status", "model", "output", "usage"]),
        "ResponseItems": object(
            [
                "object": constant("list"), "data": list(anyObject), "first_id": nullable(text),
                "last_id": nullable(text), "has_more": flag,
            ], required: ["object", "data", "has_more"]),
        "ResponseDeleted": object(
            ["id": text, "object": constant("response"), "deleted": flag], required: ["id", "object", "deleted"]),
        "ResponseInputTokens": object(
            ["object": constant("response.input_tokens"), "input_tokens": count],
            required: ["object", "input_tokens"]),
        "ResponsesItem": any(
            item("message", ["role": constant("assistant"), "content": parts("output_text")], ["role", "content"]),
            item("reasoning", ["summary": list(anyObject), "content": parts("reasoning_text")], ["content"]),
            item(
                "function_call", ["call_id": text, "name": text, "arguments": text], ["call_id", "name", "arguments"])
        ),
    ]

    private static func item(_ type: String, _ members: JSONObject, _ required: [String]) -> JSON {
        var all: JSONObject = [
            "type": constant(type), "id": text, "status": choice(["in_progress", "completed", "incomplete"]),
        ]
        for (key, value) in members { all[key] = value }
        return object(all, required: ["type", "id", "status"] + required)
    }

    private static func parts(_ type: String) -> JSON {
        list(
            object(
                ["type": constant(type), "text": text, "annotations": list(anyObject), "logprobs": list(anyObject)],
                required: ["type", "text"]))
    }
}
