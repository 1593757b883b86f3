import MartletJSON

/// Schemas by name. Requests may have members that are not listed; listed ones are checked for type and range.
enum OpenAPISchemas {
    static let all: JSONObject = {
        var all: JSONObject = [:]
        let parts = [
            common, generation, others, replies, responses, messages, ollama, llamaServer, textGeneration,
            textEmbeddings, inspection, information, runs, tuning,
        ]
        for part in parts { for (name, schema) in part { all[name] = schema } }
        return all
    }()

    // MARK: - Building

    static func reference(_ name: String) -> JSON { ["$ref": .string("#/components/schemas/\(name)")] }

    static func nullable(_ schema: JSON) -> JSON { ["anyOf": [schema, ["type": "null"]]] }

    static func object(_ members: JSONObject, required: [String] = []) -> JSON {
        var schema = JSONObject([("type", "object"), ("properties", .object(members))])
        if !required.isEmpty { schema["required"] = .array(required.map { .string($0) }) }
        return .object(schema)
    }

    /// A request object: every member that is not required may be null.
    static func request(_ members: JSONObject, required: [String] = []) -> JSON {
        object(
            JSONObject(members.map { ($0.key, required.contains($0.key) ? $0.value : nullable($0.value)) }),
            required: required)
    }

    static func list(_ items: JSON, atLeast: Int = 0, atMost: Int? = nil) -> JSON {
        var schema = JSONObject([("type", "array"), ("items", items), ("minItems", .integer(atLeast))])
        schema["maxItems"] = atMost.map { .integer($0) }
        return .object(schema)
    }

    static func number(_ least: Double, _ most: Double) -> JSON {
        ["type": "number", "minimum": .number(least), "maximum": .number(most)]
    }

    static func integer(_ least: Int, _ most: Int? = nil) -> JSON {
        var schema = JSONObject([("type", "integer"), ("minimum", .integer(least))])
        schema["maximum"] = most.map { .integer($0) }
        return .object(schema)
    }

    static func choice(_ values: [String]) -> JSON { ["type": "string", "enum": .array(values.map { .string($0) })] }

    static func constant(_ value: String) -> JSON { ["const": .string(value)] }

    static func any(_ schemas: JSON...) -> JSON { ["anyOf": .array(schemas)] }

    static func text(atMost length: Int) -> JSON { ["type": "string", "maxLength": .integer(length)] }

    static let text: JSON = ["type": "string"]
    /// A name or a short text.
    static let word = text(atMost: 1024)
    static let decimal: JSON = ["type": "number"]
    static let flag: JSON = ["type": "boolean"]
    static let anyObject: JSON = ["type": "object"]
    static let toolName: JSON = ["type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,128}$"]
    static let toolParameters = object(["type": ["const": "object"]])
    static let token = integer(0, Int(Int32.max))
    static let count = integer(0)

    private static let namedTool = any(
        object(["name": text], required: ["name"]),
        object(["function": object(["name": text], required: ["name"])], required: ["function"]))
    private static let allowedTools = object(
        ["mode": nullable(choice(["auto", "required"])), "tools": list(namedTool, atMost: 1024)], required: ["tools"])

    // MARK: - Common

    static let common: JSONObject = [
        "Error": object(
            [
                "error": object(
                    [
                        "message": text, "type": text, "param": nullable(text),
                        "code": nullable(["type": ["string", "integer"]]),
                    ], required: ["message", "type"])
            ], required: ["error"]),
        "Usage": object(
            [
                "prompt_tokens": count, "completion_tokens": count, "total_tokens": count,
                "prompt_tokens_details": object(["cached_tokens": count, "audio_tokens": count]),
                "completion_tokens_details": object([
                    "reasoning_tokens": count, "audio_tokens": count, "accepted_prediction_tokens": count,
                    "rejected_prediction_tokens": count,
                ]),
            ], required: ["prompt_tokens", "total_tokens"]),
        "Prompt": [
            "anyOf": [
                text, list(text, atLeast: 1, atMost: 2048), list(token, atLeast: 1),
                list(list(token), atLeast: 1, atMost: 2048),
            ]
        ],
        "TextPart": object(
            ["type": choice(["text", "input_text", "output_text"]), "text": text], required: ["type", "text"]),
        "RefusalPart": object(["type": ["const": "refusal"], "refusal": text], required: ["type", "refusal"]),
        "Content": [
            "anyOf": [text, list(["anyOf": [reference("TextPart"), reference("RefusalPart")]], atLeast: 1)]
        ],
        "ToolCall": object(
            [
                "id": text, "type": ["const": "function"],
                "function": object(["name": text, "arguments": ["type": ["string", "object"]]], required: ["name"]),
            ], required: ["function"]),
        "Message": [
            "anyOf": [
                object(
                    [
                        "role": choice(["system", "developer", "user"]),
                        "content": reference("Content"), "name": nullable(text), "tool_call_id": nullable(text),
                        "refusal": nullable(text), "reasoning_content": nullable(text), "reasoning": nullable(text),
                    ], required: ["role", "content"]),
                object(
                    [
                        "role": choice(["tool", "function"]), "content": nullable(reference("Content")),
                        "name": nullable(text), "tool_call_id": nullable(text), "refusal": nullable(text),
                        "reasoning_content": nullable(text), "reasoning": nullable(text),
                    ], required: ["role"]),
                object(
                    [
                        "role": ["const": "assistant"], "content": nullable(reference("Content")),
                        "tool_calls": nullable(list(reference("ToolCall"), atMost: 1024)),
                        "reasoning_content": nullable(text), "reasoning": nullable(text), "name": nullable(text),
                        "refusal": nullable(text), "tool_call_id": nullable(text),
                    ], required: ["role"]),
            ]
        ],
        "Tool": object(
            [
                "type": ["const": "function"],
                "function": object(
                    [
                        "name": toolName, "description": nullable(text), "parameters": nullable(toolParameters),
                        "strict": nullable(flag),
                    ], required: ["name"]),
            ], required: ["type", "function"]),
        "ToolChoice": [
            "anyOf": [
                choice(["none", "auto", "required", "any"]),
                object(
                    ["type": ["const": "function"], "function": object(["name": text], required: ["name"])],
                    required: ["type", "function"]),
                object(["type": ["const": "function"], "name": text], required: ["type", "name"]),
                object(
                    ["type": ["const": "allowed_tools"], "allowed_tools": allowedTools],
                    required: ["type", "allowed_tools"]),
                object(
                    [
                        "type": ["const": "allowed_tools"], "mode": nullable(choice(["auto", "required"])),
                        "tools": list(namedTool, atMost: 1024),
                    ], required: ["type", "tools"]),
            ]
        ],
        "ResponseFormat": [
            "anyOf": [
                object(["type": ["const": "text"]], required: ["type"]),
                object(["type": ["const": "json_object"], "schema": nullable(schema)], required: ["type"]),
                object(["type": ["const": "json_object"], "value": nullable(schema)], required: ["type"]),
                object(["type": constant("json"), "value": schema], required: ["type", "value"]),
                object(["type": constant("regex"), "pattern": text], required: ["type", "pattern"]),
                object(["type": constant("regex"), "value": text], required: ["type", "value"]),
                object(["type": constant("grammar"), "grammar": text], required: ["type", "grammar"]),
                object(["type": constant("json_schema"), "schema": schema], required: ["type", "schema"]),
                object(
                    [
                        "type": ["const": "json_schema"],
                        "json_schema": object(
                            [
                                "name": nullable(text), "description": nullable(text), "schema": schema,
                                "strict": nullable(flag),
                            ],
                            required: ["schema"]),
                    ], required: ["type", "json_schema"]),
            ]
        ],
        "StreamOptions": request(["include_usage": flag, "continuous_usage_stats": flag]),
    ]
}
