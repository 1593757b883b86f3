import MartletJSON

/// A program that judges replies, in any language: it is started once, gets a JSON line for each reply on its standard
/// input, and answers each with a line on its standard output, a number or `{"reward": number}`.
///
///     {"prompt": [{"role": "user", "content": "1 + 1?"}], "reply": "2", "answer": "2", "columns": {}}
final class RewardProgram {
    let path: String
    /// That it may take for the replies of a step.
    let seconds: Double
    private let program: LineProgram

    /// - Throws: `RewardError` where it cannot be started.
    init(path: String, seconds: Double) throws {
        self.path = path
        self.seconds = seconds
        do { program = try LineProgram(path: path) } catch let failure as LineProgramFailure {
            throw RewardError(.unknown, "the reward program \(path) \(failure.reason)")
        }
    }

    /// - Throws: `RewardError` where it takes too long, ends, or answers with something else than a number a reply.
    func score(_ requests: [RewardRequest]) throws -> [Double] {
        let lines = requests.map { request -> JSON in
            [
                "prompt": .array(request.prompt.map(\.json)), "reply": .string(request.reply),
                "answer": request.answer.map { .string($0) } ?? .null, "columns": .object(request.columns),
            ]
        }
        var scores: [Double] = []
        do {
            try program.exchange(lines, seconds: seconds) { index, line in
                scores.append(try number(line, of: requests[index]))
            }
        } catch let failure as LineProgramFailure {
            throw error(failure, requests)
        }
        return scores
    }

    private func error(_ failure: LineProgramFailure, _ requests: [RewardRequest]) -> RewardError {
        let name = "the reward program \(path)"
        let next =
            requests.indices.contains(failure.answered) ? "; the next is \(requests[failure.answered].shown)" : ""
        switch failure.kind {
        case .start: return RewardError(.unknown, "\(name) \(failure.reason)")
        case .timeout:
            return RewardError(
                .timeout,
                "\(name) answered \(failure.answered) of \(requests.count) replies in \(seconds) s\(next). "
                    + "Raise reward_seconds, or look at what it waits for")
        case .ended:
            return RewardError(
                .exited,
                "\(name) ended after \(failure.answered) of \(requests.count) answers\(next). What it says is on standard error"
            )
        case .more: return RewardError(.count, "\(name) answered more than a line for each reply")
        case .longLine: return RewardError(.number, "\(name) answers with a line of more than a megabyte")
        }
    }

    private func number(_ line: [UInt8], of request: RewardRequest) throws -> Double {
        let json = try? JSON(parsing: line)
        guard let value = (json?["reward"] ?? json)?.double, value.isFinite else {
            throw RewardError(
                .number,
                "the reward program \(path) answered \"\(String(decoding: line.prefix(200), as: UTF8.self))\", which is no "
                    + "number, to \(request.shown)")
        }
        return value
    }
}
