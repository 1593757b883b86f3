// floors: System JSON Patterns Jinja Tensor Formats Tokenizers Grammar Chat NN Models Adapters Inference API
import MartletAPI
import MartletChat
import MartletJSON

/// The first byte says which request the rest is; what is read must be read the same way twice, and a reply parser must
/// find the same in a text however it is cut.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let body = UnsafeBufferPointer(start: start + 1, count: count - 1)
    switch start[0] % 15 {
    case 0, 1: _ = try? GenerationRequest(chatCompletion: body)
    case 2: _ = try? GenerationRequest(completion: body)
    case 3: _ = try? EmbeddingsRequest(body)
    case 4: _ = try? RerankRequest(body)
    case 5: _ = try? ScoreRequest(body)
    case 6: _ = try? TokenizeRequest(body)
    case 7: _ = try? DetokenizeRequest(body)
    case 8: _ = try? ApplyTemplateRequest(body)
    case 9: _ = try? GenerationRequest(messages: body)
    case 10: _ = try? GenerationRequest(ollamaChat: body)
    case 11: _ = try? GenerationRequest(ollamaGenerate: body)
    case 12: _ = try? GenerationRequest(responses: body)
    case 13:
        _ = try? TuningRequest(body)
        _ = try? GenerationRequest(llamaCompletion: body)
    default:
        parse(
            String(decoding: body, as: UTF8.self), ToolSyntax.allCases[Int(start[0] / 15) % ToolSyntax.allCases.count])
    }
    return 0
}

private func parse(_ text: String, _ syntax: ToolSyntax) {
    let parser = ReplyParser(reasoning: ReasoningSyntax(template: "<think>"), syntax: syntax)
    let whole = told([text], parser)
    precondition(told(text.unicodeScalars.map { String($0) }, parser) == whole, "a cut changed what a reply says")
}

/// Everything of one kind put together.
private func told(_ pieces: [String], _ parser: ReplyParser) -> [String] {
    var parser = parser
    var content = ""
    var reasoning = ""
    var calls: [String] = []
    func note(_ deltas: [ReplyDelta]) {
        for delta in deltas {
            switch delta {
            case .content(let text): content += text
            case .reasoning(let text): reasoning += text
            case .callStarted(_, let name): calls.append(name + "\u{0}")
            case .callArguments(let index, let text): calls[index] += text
            }
        }
    }
    for piece in pieces { note(parser.append(piece)) }
    note(parser.finish())
    return [content, reasoning] + calls
}
