// floors: System JSON Patterns Jinja Tokenizers Grammar Chat
// seeds: Tests/ChatTests/Goldens/ChatTemplates
import MartletChat
import MartletJSON
import MartletJinja

private let messages: [ChatMessage] = [
    ChatMessage(role: "system", content: "You are <b>short</b>."),
    ChatMessage(role: "user", parts: [.text("Zürich? {{ 7 }}\n"), .image("data:,x"), .text("")]),
    ChatMessage(role: "assistant", content: "<think>hm</think>\n\nIt rains."),
    ChatMessage(role: "user", content: " ja \u{301}ß "),
]

private let call: JSON = [
    "role": "assistant", "content": nil, "reasoning_content": "why",
    "tool_calls": [
        ["id": "abcdefgh1", "type": "function", "function": ["name": "f", "arguments": ["a": 1.5, "b": [nil]]]]
    ],
]

private let answer: JSON = ["role": "tool", "tool_call_id": "abcdefgh1", "name": "f", "content": "[1, -2]"]

private let tools: [JSON] = [
    [
        "type": "function",
        "function": [
            "name": "f", "description": "\"x\" <y>",
            "parameters": ["type": "object", "properties": ["a": ["type": "number"]]],
        ],
    ]
]

/// Compiles the input as a chat template and renders it over conversations with and without tools.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let source = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    var limits = JinjaLimits()
    limits.steps = 50_000
    limits.outputBytes = 1 << 16
    limits.seconds = 1
    guard
        let template = try? ChatTemplate(
            source: source, specialTokens: ["bos_token": "<s>", "eos_token": "</s>"], limits: limits,
            now: { 1_773_489_600 })
    else { return 0 }
    let rendered = try? template.render(messages: messages, addGenerationPrompt: true)
    if let rendered {
        precondition(rendered.text.utf8.count <= limits.outputBytes, "more output than the bound allows")
    }
    _ = try? template.render(messages: Array(messages.prefix(3)), continueFinalMessage: true)
    guard let call = try? ChatMessage(call), let answer = try? ChatMessage(answer) else { return 0 }
    _ = try? template.render(
        messages: messages + [call, answer], tools: tools, documents: [["title": "t", "text": "d"]],
        extra: JSONObject([("enable_thinking", .bool(false)), ("x", .array([.integer(.max), .number(-0.0), "é"]))]))
    return 0
}
