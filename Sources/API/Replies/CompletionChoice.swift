import MartletInference
import MartletJSON

/// The text of one completion with the positions of its tokens, and how much of it has been sent.
struct CompletionChoice: Sendable {
    struct Token: Sendable {
        var id: Int32
        /// Nil for the first token of a prompt, which has no log-probability.
        var logProbability: TokenLogProbability?
        /// The number of Unicode scalars before it in the text.
        var offset: Int
    }

    /// A part of the choice to be sent.
    struct Part {
        var text: String
        var tokens: ArraySlice<Token>
        /// The ids of generated tokens, without the prompt's.
        var generated: [Int32]
    }

    private let plan: GenerationPlan
    private let prompt: Int
    private var text = ""
    /// The length of `text` in Unicode scalars.
    private var length = 0
    private var tokens: [Token] = []
    private var echoed = 0
    private var sent = (text: String.Index?.none, tokens: 0)

    init(_ plan: GenerationPlan, prompt: Int) {
        self.plan = plan
        self.prompt = prompt
    }

    /// Starts with the prompt. A prompt sent as text is returned unchanged, not as its tokens are decoded.
    mutating func echo(_ entries: [TokenLogProbability?]) {
        var decoder = plan.texts.decoder(skipsSpecialTokens: plan.options.skipsSpecialTokens)
        var decoded = ""
        for (index, id) in plan.prompts[prompt].enumerated() {
            let entry = index < entries.count ? entries[index] : nil
            tokens.append(Token(id: id, logProbability: entry, offset: length))
            let piece = (try? decoder.append(id)) ?? ""
            decoded += piece
            length += piece.unicodeScalars.count
        }
        decoded += decoder.finish()
        echoed = tokens.count
        if case .prompts(let list) = plan.request.input, case .text(let given) = list[prompt],
            plan.request.truncation == nil
        {
            text = given
        } else {
            text = decoded
        }
        length = text.unicodeScalars.count
    }

    mutating func add(_ piece: GeneratedPiece) {
        if let id = piece.token { tokens.append(Token(id: id, logProbability: piece.logProbability, offset: length)) }
        text += piece.text
        length += piece.text.unicodeScalars.count
    }

    var whole: Part { part(from: text.startIndex, tokens: 0) }

    mutating func takeUnsent() -> Part {
        let part = part(from: sent.text ?? text.startIndex, tokens: sent.tokens)
        sent = (text.endIndex, tokens.count)
        return part
    }

    private func part(from start: String.Index, tokens first: Int) -> Part {
        Part(
            text: String(text[start...]), tokens: tokens[first...],
            generated: tokens[max(first, echoed)...].map(\.id))
    }
}

extension CompletionChoice.Part {
    /// `{"tokens", "token_logprobs", "top_logprobs", "text_offset"}`, arrays of equal length.
    func json(_ writer: LogProbabilityJSON) -> JSON {
        var names: [JSON] = [], values: [JSON] = [], top: [JSON] = [], offsets: [JSON] = []
        for token in tokens {
            names.append(.string(writer.texts.text(token.id)))
            values.append(token.logProbability.map { LogProbabilityJSON.number($0.logProbability) } ?? .null)
            top.append(token.logProbability.map(writer.top) ?? .null)
            offsets.append(.integer(token.offset))
        }
        return [
            "tokens": .array(names), "token_logprobs": .array(values), "top_logprobs": .array(top),
            "text_offset": .array(offsets),
        ]
    }
}
