import MartletJSON

/// A part of a reply: text, reasoning or a tool call.
public enum ReplyDelta: Sendable, Equatable {
    case content(String)
    case reasoning(String)
    /// A call with this index begins.
    case callStarted(Int, name: String)
    /// The next part of the JSON text of a call's arguments.
    case callArguments(Int, String)
}

/// Separates reasoning, text and tool calls in a streamed reply.
///
/// ```swift
/// var parser = ReplyParser(reasoning: ReasoningSyntax(template: source), syntax: ToolSyntax(template: source))
/// for text in pieces { for delta in parser.append(text) { print(delta) } }
/// for delta in parser.finish() { print(delta) }
/// ```
///
/// It works byte by byte, so the result does not depend on how the text is divided into pieces. A marker is never split
/// between deltas, and never emitted as text before it is certain not to be one.
public struct ReplyParser: Sendable {
    private var splitter: ReasoningSplitter?
    private var calls: CallParser?

    /// - Parameters:
    ///   - reasoning: the reasoning markers; nil leaves reasoning in the text.
    ///   - startsInReasoning: whether the prompt has already opened the reasoning.
    ///   - syntax: the syntax of tool calls; nil leaves calls in the text.
    ///   - tools: the tools that may be called.
    public init(
        reasoning: ReasoningSyntax?, startsInReasoning: Bool = false, syntax: ToolSyntax?, tools: [Tool] = []
    ) {
        splitter = reasoning.map { ReasoningSplitter($0, startsInside: startsInReasoning) }
        calls = syntax.map { CallParser($0, tools: tools) }
    }

    /// Whether the next bytes are reasoning, as far as known.
    public var isInReasoning: Bool { splitter?.isInside ?? false }

    public mutating func append(_ text: String) -> [ReplyDelta] {
        // The common case: nothing to search for.
        if splitter == nil, calls == nil { return text.isEmpty ? [] : [.content(text)] }
        var found = DeltaList()
        for byte in text.utf8 { push(byte, &found) }
        return found.deltas
    }

    public mutating func finish() -> [ReplyDelta] {
        var found = DeltaList()
        var rest = DeltaList()
        splitter?.finish(&rest)
        found.add(rest, through: &calls)
        calls?.finish(&found)
        return found.deltas
    }

    private mutating func push(_ byte: UInt8, _ found: inout DeltaList) {
        guard splitter != nil else {
            calls?.push(byte, &found)
            return
        }
        var split = DeltaList()
        splitter?.push(byte, &split)
        found.add(split, through: &calls)
    }
}

/// Collects deltas; consecutive deltas of the same kind are merged.
struct DeltaList {
    enum Kind: Equatable { case content, reasoning, name(Int), arguments(Int) }
    private(set) var items: [(kind: Kind, bytes: [UInt8])] = []

    mutating func add(_ kind: Kind, _ bytes: some Sequence<UInt8>) {
        if let last = items.indices.last, items[last].kind == kind {
            items[last].bytes += bytes
        } else {
            items.append((kind, Array(bytes)))
        }
    }

    /// Adds what a splitter found; its content passes through the parser of calls.
    mutating func add(_ list: DeltaList, through calls: inout CallParser?) {
        for item in list.items {
            if item.kind == .content, calls != nil {
                for byte in item.bytes { calls?.push(byte, &self) }
            } else {
                add(item.kind, item.bytes)
            }
        }
    }

    var deltas: [ReplyDelta] {
        items.compactMap { kind, bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            switch kind {
            case .content: return bytes.isEmpty ? nil : .content(text)
            case .reasoning: return bytes.isEmpty ? nil : .reasoning(text)
            case .name(let index): return .callStarted(index, name: text)
            case .arguments(let index): return bytes.isEmpty ? nil : .callArguments(index, text)
            }
        }
    }
}

/// Separates the model's reasoning from its answer. White space at the edges of the reasoning is dropped.
struct ReasoningSplitter {
    private enum State { case undecided, inside, after, answer }

    private let opening: [UInt8]
    private let closing: [UInt8]
    private var state: State
    private var held: [UInt8] = []
    /// White space that is reasoning only if more reasoning follows.
    private var space: [UInt8] = []
    private var hasText = false

    init(_ syntax: ReasoningSyntax, startsInside: Bool) {
        opening = Array(syntax.opening.utf8)
        closing = Array(syntax.closing.utf8)
        state = startsInside ? .inside : .undecided
    }

    var isInside: Bool { state == .inside }

    mutating func push(_ byte: UInt8, _ found: inout DeltaList) {
        switch state {
        case .answer: found.add(.content, CollectionOfOne(byte))
        case .after:
            if byte.isSpace { return }
            state = .answer
            found.add(.content, CollectionOfOne(byte))
        case .undecided:
            held.append(byte)
            let text = held.drop(while: \.isSpace)
            if text.elementsEqual(opening) {
                state = .inside
                held = []
            } else if !opening.starts(with: text) {
                state = .answer
                found.add(.content, held)
                held = []
            }
        case .inside:
            held.append(byte)
            while !held.isEmpty, !closing.starts(with: held) { think(held.removeFirst(), &found) }
            if held.count == closing.count {
                state = .after
                held = []
                space = []
            }
        }
    }

    private mutating func think(_ byte: UInt8, _ found: inout DeltaList) {
        if byte.isSpace {
            if hasText { space.append(byte) }
            return
        }
        found.add(.reasoning, space + CollectionOfOne(byte))
        space = []
        hasText = true
    }

    mutating func finish(_ found: inout DeltaList) {
        if state == .undecided { found.add(.content, held) }
        if state == .inside { for byte in held { think(byte, &found) } }
        held = []
    }
}

extension UInt8 {
    var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}
