import MartletJSON

/// Anthropic's Messages API.
extension OpenAPISchemas {
    private static let members: JSONObject = [
        "model": word, "max_tokens": integer(1, Int(Int32.max)),
        "messages": list(reference("MessagesMessage"), atLeast: 1, atMost: RequestLimits().messages),
        "system": any(text, list(reference("MessagesText"))),
        "stop_sequences": list(text(atMost: RequestLimits().stopStringLength), atMost: RequestLimits().stopStrings),
        "stream": flag,
        "temperature": number(0, 2), "top_p": number(0, 1), "top_k": integer(0, Int(Int32.max)),
        "tools": list(
            object(
                [
                    "type": nullable(constant("custom")), "name": toolName, "description": nullable(text),
                    "input_schema": nullable(toolParameters), "strict": nullable(flag),
                ], required: ["name"]), atMost: RequestLimits().tools),
        "tool_choice": any(
            object(
                ["type": choice(["auto", "any", "none"]), "disable_parallel_tool_use": nullable(flag)],
                required: ["type"]),
            object(
                ["type": constant("tool"), "name": text, "disable_parallel_tool_use": nullable(flag)],
                required: ["type", "name"])),
        "thinking": object(["type": choice(["enabled", "disabled", "adaptive"])], required: ["type"]),
        "metadata": request(["user_id": word]),
        "output_config": request([
            "format": object(["type": constant("json_schema"), "schema": anyObject], required: ["type", "schema"])
        ]),
    ]

    static let messages: JSONObject = [
        "MessagesRequest": request(members, required: ["model", "max_tokens", "messages"]),
        "CountTokensRequest": request(members, required: ["model", "messages"]),
        "MessagesText": object(["type": constant("text"), "text": text], required: ["type", "text"]),
        "MessagesMessage": any(
            object(
                [
                    "role": constant("user"),
                    "content": any(
                        text,
                        list(
                            any(
                                reference("MessagesText"),
                                object(
                                    [
                                        "type": constant("tool_result"), "tool_use_id": text,
                                        "content": nullable(any(text, list(reference("MessagesText")))),
                                    ], required: ["type", "tool_use_id"])))),
                ], required: ["role", "content"]),
            object(
                [
                    "role": constant("assistant"),
                    "content": any(
                        text,
                        list(
                            any(
                                reference("MessagesText"),
                                object(
                                    ["type": constant("thinking"), "thinking": text], required: ["type", "thinking"]),
                                object(["type": constant("redacted_thinking")], required: ["type"]),
                                object(
                                    [
                                        "type": constant("tool_use"), "id": text, "name": text,
                                        "input": nullable(anyObject),
                                    ], required: ["type", "id", "name"])))),
                ], required: ["role", "content"])),
        "MessagesReply": object(
            [
                "id": text, "type": constant("message"), "role": constant("assistant"), "model": text,
                "content": list(
                    any(
                        reference("MessagesText"),
                        object(
                            ["type": constant("thinking"), "thinking": text, "signature": text],
                            required: ["type", "thinking", "signature"]),
                        object(
                            ["type": constant("tool_use"), "id": text, "name": text, "input": anyObject],
                            required: ["type", "id", "name", "input"]))),
                "stop_reason": nullable(choice(["end_turn", "max_tokens", "stop_sequence", "tool_use"])),
                "stop_sequence": nullable(text),
                "usage": object(
                    [
                        "input_tokens": count, "output_tokens": count, "cache_read_input_tokens": count,
                        "cache_creation_input_tokens": count,
                    ], required: ["input_tokens", "output_tokens"]),
            ], required: ["id", "type", "role", "model", "content", "stop_reason", "usage"]),
        "MessagesModel": object(
            ["type": constant("model"), "id": text, "display_name": text, "created_at": text],
            required: ["type", "id", "display_name", "created_at"]),
        "MessagesModelList": object(
            [
                "data": list(reference("MessagesModel")), "has_more": flag, "first_id": nullable(text),
                "last_id": nullable(text),
            ], required: ["data", "has_more", "first_id", "last_id"]),
        "CountTokens": object(["input_tokens": count], required: ["input_tokens"]),
        "MessagesError": object(
            [
                "type": constant("error"),
                "error": object(["type": text, "message": text], required: ["type", "message"]),
            ], required: ["type", "error"]),
    ]
}
