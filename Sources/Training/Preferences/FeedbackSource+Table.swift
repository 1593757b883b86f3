import MartletData
import MartletRuns
import MartletTokenizers

/// The first rows of a step as texts, with what the step finds them worth.
extension FeedbackSource {
    func table(_ rows: [Int], _ worths: RowWorths) throws -> StepTable {
        switch goal {
        case .pairs, .reward: StepTable(.pairs, try pairs(rows, worths.pairs), of: rows.count)
        case .judged:
            StepTable(
                .completions,
                try shown(rows, worths.replies) { row, worth in
                    let judged = data.judged[row]
                    return StepTable.Row(
                        texts: [
                            ("prompt", try prompt(judged.sequence)), ("completion", try reply(judged.sequence)),
                            ("label", judged.isDesirable ? "good" : "bad"),
                        ], numbers: [("reward", worth)])
                }, of: rows.count)
        case .steps:
            StepTable(
                .completions,
                try shown(rows, worths.replies) { row, share in
                    let stepped = data.stepped[row]
                    return StepTable.Row(
                        texts: [
                            ("completion", try text(stepped.tokens)),
                            ("labels", stepped.steps.map { $0.isRight ? "right" : "wrong" }.joined(separator: ", ")),
                        ], numbers: [("accuracy", share)])
                }, of: rows.count)
        }
    }

    private func pairs(
        _ rows: [Int], _ worths: [(chosen: Double, rejected: Double)]
    ) throws -> [StepTable.Row] {
        let names =
            if case .reward = goal {
                ["score/chosen", "score/rejected", "margin"]
            } else {
                ["rewards/chosen", "rewards/rejected", "rewards/margins"]
            }
        return try zip(rows, worths).prefix(StepTable.mostRows / 2).map { row, worth in
            let pair = data.pairs[row]
            return StepTable.Row(
                texts: [
                    ("prompt", try prompt(pair.chosen)), ("chosen", try reply(pair.chosen)),
                    ("rejected", try reply(pair.rejected)),
                ],
                numbers: Array(zip(names, [worth.chosen, worth.rejected, worth.chosen - worth.rejected])))
        }
    }

    private func shown(
        _ rows: [Int], _ worths: [Double], _ make: (Int, Double) throws -> StepTable.Row
    ) rethrows -> [StepTable.Row] {
        try zip(rows, worths).prefix(StepTable.mostRows).map { try make($0, $1) }
    }

    private func text(_ tokens: some Sequence<Int32>) throws -> String {
        try tokenizer.decode(tokens, skipSpecialTokens: true)
    }

    private func prompt(_ chat: EncodedChat) throws -> String { try tokenizer.conversation(Array(chat.prompt)) }

    private func reply(_ chat: EncodedChat) throws -> String { try text(chat.tokens[chat.prompt.count...]) }
}
