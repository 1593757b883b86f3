import MartletData
import MartletInference
import MartletTensor
import MartletTokenizers

extension NextToken: RowObjective {
    public func batch(of rows: TrainingBatch, _ draw: RowDraw) throws -> TrainingBatch { rows }

    func plain() -> NextToken { NextToken(decoder) }

    func measuringTokens(_ measures: Bool) -> NextToken {
        var result = self
        result.measuresTokens = measures
        return result
    }

    /// What the model writes now: of a conversation a reply to its first prompt, of text the beginning of the row continued,
    /// at most half a context of it.
    func sample(of row: TrainingBatch, _ tokenizer: Tokenizer, endTokens: Set<Int32>) throws -> (
        prompt: String, reply: String
    ) {
        let context = min(row.length, decoder.configuration.contextLength), question = row.firstPrompt
        let start = question ?? Array(row.inputs.prefix(max(1, min(16, context / 2))))
        let tokens = min(question == nil ? 48 : 96, max(1, context - start.count - 1))
        let reply = try continuation(of: start, tokenizer, endTokens: endTokens, tokens: tokens)
        return (try question.map { try tokenizer.conversation($0) } ?? tokenizer.decode(start), reply)
    }

    /// What the model writes after a prompt.
    func continuation(
        of prompt: [Int32], _ tokenizer: Tokenizer, endTokens: Set<Int32>, tokens: Int
    ) throws -> String {
        var options = GenerationOptions()
        options.maximumTokens = tokens
        options.sampling.temperature = 0.8
        options.sampling.seed = 1
        var reply = ""
        let generator = try Generator(decoder, tokenizer, precision: .exact, endTokens: endTokens, .oneAtATime)
        try generator.generate(prompt, options) { reply += $0.text }
        return reply
    }
}

extension TrainingBatch {
    /// The tokens before the first reply that is trained on, in the segment it lies in; nil where what is trained on
    /// begins with a segment, as text does.
    var firstPrompt: [Int32]? {
        guard let first = targets.firstIndex(where: { $0 != Self.ignoredTarget }),
            let segment = segments.first(where: { $0.row * length + $0.end > first })
        else { return nil }
        let start = segment.row * length + segment.start
        return first > start ? Array(inputs[start...first]) : nil
    }
}

extension Tokenizer {
    /// A prompt of a chat template as people read it: without control tokens, a turn to a line, with its speaker.
    func conversation(_ ids: [Int32]) throws -> String {
        let speakers = ["system", "user", "assistant", "model", "human", "tool"]
        return try ids.split { specialTokens.contains($0) }.compactMap { part -> String? in
            let text = try decode(part), lines = text.split(separator: "\n")
            guard let first = lines.first else { return nil }
            guard speakers.contains(first.lowercased()) else { return lines.joined(separator: "\n") }
            // A speaker without words is who is to speak.
            return lines.count > 1 ? "\(first): \(lines.dropFirst().joined(separator: "\n"))" : nil
        }.joined(separator: "\n")
    }
}
