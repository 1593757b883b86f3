import MartletInference
import MartletJSON

/// The text of one completion with its tokens' places, and how much of it has been sent.
struct CompletionChoice: Sendable {
    struct Token: Sendable {
        var id: Int32
        /// Nil for the first token of a prompt, of which no model has an opinion.
        var logProbability: TokenLogProbability?
        /// Unicode scalars of the text before it.
        var offset: Int
    }

    /// A stretch of the choice.
    struct Part {
        var text: String
        var tokens: ArraySlice<Token>
        /// Ids of the tokens that are not the prompt's.
        var generated: [Int32]
    }

    private let plan: GenerationPlan
    private let prompt: Int
    private var text = ""
    /// Unicode scalars of `text`.
    private var length = 0
    private var tokens: [Token] = []
    private var echoed = 0
    private var sent = (text: String.Index?.none, tokens: 0)

    init(_ plan: GenerationPlan, prompt: Int) {
        self.plan = plan
        self.prompt = prompt
    }

    /// Begins with the prompt. A prompt that came as text is told as it came, not as its tokens spell it.
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
    /// `{"tokens", "token_logprobs", "top_logprobs", "text_offset"}`, arrays of one length.
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
