/// The tool-call syntax of a model family.
public enum ToolSyntax: String, Sendable, CaseIterable {
    /// `<tool_call>{"name": …, "arguments": {…}}</tool_call>`: Hermes, Qwen 2.5 and 3, SmolLM.
    case hermes
    /// `<tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>`: Qwen 3 Coder.
    case qwenCoder
    /// `{"name": …, "parameters": {…}}` as the whole reply, optionally after `<|python_tag|>`: Llama 3.
    case llamaJSON
    /// `[name(key=value), …]` as the whole reply: Llama 4, Llama 3.2.
    case pythonic
    /// `[TOOL_CALLS][{…}]` or `[TOOL_CALLS]name[ARGS]{…}`: Mistral.
    case mistral
    /// `<｜tool▁calls▁begin｜>…`: DeepSeek V3, R1 and V3.1.
    case deepSeek
    /// `<start_function_call>call:name{key:value}<end_function_call>`: Gemma.
    case gemma
    /// A JSON object with `name` and `arguments`, or a list of them, as the whole reply.
    case json

    /// The syntax that a chat template shows to the model; nil if it does not mention tools.
    public init?(template: String) {
        let signs: [(String, ToolSyntax)] = [
            ("<function=", .qwenCoder), ("<tool_call>", .hermes), ("[TOOL_CALLS]", .mistral),
            ("<｜tool▁calls▁begin｜>", .deepSeek), ("<start_function_call>", .gemma), ("<|tool_call>", .gemma),
            ("func_name1(", .pythonic), ("<|python_start|>", .pythonic), ("<|python_tag|>", .llamaJSON),
            ("\"parameters\": dictionary", .llamaJSON), ("\"parameters\":", .llamaJSON),
        ]
        guard template.contains("tools") else { return nil }
        self = signs.first { template.contains($0.0) }?.1 ?? .json
    }

    /// The text with which a call begins, which may be special tokens.
    package var markers: [String] {
        switch self {
        case .hermes: ["<tool_call>", "</tool_call>"]
        case .qwenCoder: ["<tool_call>", "</tool_call>", "<function=", "</function>"]
        case .llamaJSON: ["<|python_tag|>"]
        case .pythonic: ["<|python_start|>", "<|python_end|>"]
        case .mistral: ["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"]
        case .deepSeek:
            [DeepSeekCalls.opening, DeepSeekCalls.closing] + [
                DeepSeekCalls.begin, DeepSeekCalls.end, DeepSeekCalls.separator,
            ]
        case .gemma:
            ["<start_function_call>", "<end_function_call>", "<escape>", "<|tool_call>", "<tool_call|>", "<|\"|>"]
        case .json: []
        }
    }
}

/// The markers around a model's reasoning.
public struct ReasoningSyntax: Sendable, Equatable {
    public var opening: String
    public var closing: String

    public init(opening: String, closing: String) {
        self.opening = opening
        self.closing = closing
    }

    static let known = [
        ReasoningSyntax(opening: "<think>", closing: "</think>"),
        ReasoningSyntax(opening: "[THINK]", closing: "[/THINK]"),
        ReasoningSyntax(opening: "<|START_THINKING|>", closing: "<|END_THINKING|>"),
        ReasoningSyntax(opening: "<seed:think>", closing: "</seed:think>"),
        ReasoningSyntax(opening: "<|channel>thought", closing: "<channel|>"),
        ReasoningSyntax(opening: "<reasoning>", closing: "</reasoning>"),
        ReasoningSyntax(opening: "<thought>", closing: "</thought>"),
    ]

    /// The syntax that a chat template mentions.
    public init?(template: String) {
        guard let found = Self.known.first(where: { template.contains($0.closing) || template.contains($0.opening) })
        else { return nil }
        self = found
    }

    /// Whether a prompt ends inside the model's reasoning, judged by its `RenderedPrompt.ending`: text written by users
    /// does not count.
    package func isOpen(atEndOf prompt: String) -> Bool {
        let tail = String(prompt.suffix(4096))
        guard let place = tail.utf8Position(ofLast: opening) else { return false }
        return tail.utf8Position(ofLast: closing).map { $0 < place } ?? true
    }
}

extension String {
    /// The UTF-8 offset of the last occurrence.
    func utf8Position(ofLast needle: String) -> Int? {
        let bytes = Array(utf8)
        let needle = Array(needle.utf8)
        guard bytes.count >= needle.count else { return nil }
        return (0...(bytes.count - needle.count)).last { bytes[$0..<($0 + needle.count)].elementsEqual(needle) }
    }
}
