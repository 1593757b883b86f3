import MartletChat
import MartletInference
import MartletJSON

/// One streamed reply to one prompt.
struct SampleReply: Sendable {
    struct Call: Sendable {
        var name: String
        var arguments = ""
    }

    private var parser: ReplyParser
    private let allowsSeveralCalls: Bool
    private(set) var content = ""
    private(set) var reasoning = ""
    private(set) var calls: [Call] = []
    private(set) var tokens: [Int32] = []
    private(set) var logProbabilities: [TokenLogProbability] = []
    private(set) var finishReason: FinishReason?
    private(set) var statistics: GenerationStatistics?
    private(set) var reasoningTokens = 0
    /// The number of tokens and log-probabilities that have been sent.
    private var sentTokens = 0
    private var sentLogProbabilities = 0

    init(_ plan: GenerationPlan) {
        let isConversation = if case .conversation = plan.request.input { true } else { false }
        parser = ReplyParser(
            reasoning: isConversation && plan.request.reasoning.isSplit ? plan.voice.reasoning : nil,
            startsInReasoning: plan.startsInReasoning, syntax: plan.callSyntax, tools: plan.request.tools.callable)
        allowsSeveralCalls = plan.request.tools.allowsParallelCalls
    }

    mutating func add(_ piece: GeneratedPiece) -> [ReplyDelta] {
        if let token = piece.token {
            tokens.append(token)
            if parser.isInReasoning { reasoningTokens += 1 }
        }
        if let logProbability = piece.logProbability { logProbabilities.append(logProbability) }
        return note(parser.append(piece.text))
    }

    mutating func finish(_ reason: FinishReason, _ statistics: GenerationStatistics) -> [ReplyDelta] {
        finishReason = reason
        self.statistics = statistics
        return note(parser.finish())
    }

    private mutating func note(_ deltas: [ReplyDelta]) -> [ReplyDelta] {
        var kept: [ReplyDelta] = []
        for delta in deltas {
            switch delta {
            case .content(let text): content += text
            case .reasoning(let text): reasoning += text
            case .callStarted(let index, let name):
                guard index == 0 || allowsSeveralCalls else { continue }
                calls.append(Call(name: name))
            case .callArguments(let index, let text):
                guard index < calls.count else { continue }
                calls[index].arguments += text
            }
            kept.append(delta)
        }
        return kept
    }

    /// OpenAI's `finish_reason`.
    var finishWord: String? { finishReason?.word(hasCalls: !calls.isEmpty) }

    /// Tokens and log-probabilities that have not been sent.
    mutating func takeUnsent() -> (tokens: ArraySlice<Int32>, logProbabilities: ArraySlice<TokenLogProbability>) {
        defer {
            sentTokens = tokens.count
            sentLogProbabilities = logProbabilities.count
        }
        return (tokens[sentTokens...], logProbabilities[sentLogProbabilities...])
    }
}

/// The samples of one prompt.
struct PromptReply: Sendable {
    var samples: [SampleReply]
    var promptTokens: Int
    var cachedTokens = 0
    var promptLogProbabilities: [TokenLogProbability?] = []

    init(_ plan: GenerationPlan, prompt: Int) {
        samples = (0..<plan.request.samples).map { _ in SampleReply(plan) }
        promptTokens = plan.prompts[prompt].count
    }
}

extension [PromptReply] {
    init(_ plan: GenerationPlan) { self = plan.prompts.indices.map { PromptReply(plan, prompt: $0) } }

    var usage: Usage {
        var usage = Usage()
        for prompt in self {
            usage.promptTokens += prompt.promptTokens
            usage.cachedTokens += prompt.cachedTokens
            for sample in prompt.samples {
                usage.completionTokens += sample.tokens.count
                usage.reasoningTokens += sample.reasoningTokens
            }
        }
        return usage
    }

    /// The timings of the last finished sample.
    var timings: JSON? { last?.samples.last?.statistics?.timings }
}
