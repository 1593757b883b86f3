/// Separates tool calls from the text around them, byte by byte.
struct CallParser: Sendable {
    private let openings: [[UInt8]]
    /// Whether calls are only recognised at the start of the reply.
    private let isWholeReply: Bool
    private let makeBody: @Sendable () -> any CallBody
    private var isAtStart = true
    private var held: [UInt8] = []
    private var body: (any CallBody)?
    /// The bytes read since the body began; they are emitted as text if it turns out not to be a call.
    private var raw: [UInt8] = []
    private var sink = CallSink()

    init(_ syntax: ToolSyntax, tools: [Tool]) {
        let names = Set(tools.map(\.name))
        switch syntax {
        case .hermes:
            openings = [Array("<tool_call>".utf8)]
            makeBody = { JSONCalls(closing: "</tool_call>", names: nil) }
        case .qwenCoder:
            openings = [Array("<tool_call>".utf8), Array("<function=".utf8)]
            makeBody = { XMLCall(tools: tools) }
        case .mistral:
            openings = [Array("[TOOL_CALLS]".utf8)]
            makeBody = { MistralCall() }
        case .deepSeek:
            openings = [Array(DeepSeekCalls.opening.utf8)]
            makeBody = { DeepSeekCalls() }
        case .gemma:
            openings = [Array("<start_function_call>".utf8), Array("<|tool_call>".utf8)]
            makeBody = { GemmaCall() }
        case .llamaJSON, .json:
            openings = [Array("<|python_tag|>".utf8)]
            makeBody = { JSONCalls(closing: nil, names: names) }
        case .pythonic:
            openings = [Array("<|python_start|>".utf8)]
            makeBody = { PythonCalls(names: names) }
        }
        isWholeReply = [.llamaJSON, .json, .pythonic].contains(syntax)
    }

    mutating func push(_ byte: UInt8, _ found: inout DeltaList) {
        if body != nil { return read(byte, &found) }
        held.append(byte)
        if isWholeReply, isAtStart {
            let text = held.drop(while: \.isSpace)
            guard let first = text.first else { return }
            if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
                held.removeLast()
                begin()
                return read(first, &found)
            }
        }
        while !held.isEmpty {
            let text = isAtStart && isWholeReply ? held.drop(while: \.isSpace) : held[...]
            if let opening = openings.first(where: { text.elementsEqual($0) }) {
                begin()
                // Qwen Coder's opening without an enclosing tag is part of the call.
                if opening.last == UInt8(ascii: "=") { for byte in opening { _ = body?.push(byte, &sink, &found) } }
                return
            }
            if openings.contains(where: { $0.starts(with: text) }) { return }
            isAtStart = false
            sink.content(held.removeFirst(), &found)
        }
    }

    private mutating func begin() {
        body = makeBody()
        raw = held
        held = []
    }

    private mutating func read(_ byte: UInt8, _ found: inout DeltaList) {
        guard var body else { return }
        self.body = nil
        let calls = sink.count
        let state = body.push(byte, &sink, &found)
        // Everything before is a complete call; the bytes after it may still be text.
        if sink.count > calls { raw = [] } else { raw.append(byte) }
        switch state {
        case .more: self.body = body
        case .done: isAtStart = isWholeReply
        case .failed:
            isAtStart = false
            // The byte that shows that this is not a call may begin another one.
            for byte in raw.dropLast() { sink.content(byte, &found) }
            if let last = raw.last { push(last, &found) }
        }
    }

    mutating func finish(_ found: inout DeltaList) {
        if var body {
            let calls = sink.count
            if !body.finish(&sink, &found), sink.count == calls {
                for byte in raw { sink.content(byte, &found) }
            }
        }
        for byte in held { sink.content(byte, &found) }
        sink.finish(&found)
        body = nil
        held = []
    }
}

enum CallState { case more, done, failed }

/// Parses the bytes between the opening and the closing of calls.
protocol CallBody: Sendable {
    /// `.failed`: the bytes after the last complete call are not a call.
    mutating func push(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState
    /// The reply ends here; returns whether the bytes since the last call can be dropped.
    mutating func finish(_ sink: inout CallSink, _ found: inout DeltaList) -> Bool
}

/// Numbers calls and drops the white space around them.
struct CallSink: Sendable {
    /// The number of calls so far.
    private(set) var count = 0
    private var space: [UInt8] = []
    /// Whether there is text since the last call, or since the start.
    private var hasText = false

    mutating func content(_ byte: UInt8, _ found: inout DeltaList) {
        if byte.isSpace {
            if hasText || count == 0 { space.append(byte) }
            return
        }
        found.add(.content, space + CollectionOfOne(byte))
        space = []
        hasText = true
    }

    /// A complete call; its arguments are one valid JSON object.
    mutating func call(_ name: some Sequence<UInt8>, arguments bytes: some Sequence<UInt8>, _ found: inout DeltaList) {
        space = []
        hasText = false
        found.add(.name(count), name)
        found.add(.arguments(count), bytes)
        count += 1
    }

    mutating func finish(_ found: inout DeltaList) {
        found.add(.content, space)
        space = []
    }
}

/// Recognises an optional text, byte by byte.
struct MarkerMatch: Sendable {
    let text: [UInt8]
    var count = 0
    init(_ text: String) { self.text = Array(text.utf8) }

    /// Returns true if the byte continues the text; then `isComplete` tells whether the text is complete.
    mutating func push(_ byte: UInt8) -> Bool {
        guard count < text.count, text[count] == byte else { return false }
        count += 1
        return true
    }
    var isComplete: Bool { count == text.count }
}
