import MartletInference
import MartletJSON

/// Log-probabilities in the dialects' formats. JSON has no −∞, so the lowest number is −9999.
struct LogProbabilityJSON: Sendable {
    let texts: TokenTexts

    static func number(_ value: Float) -> JSON { .number(Double(max(value, -9999))) }

    /// `{"token", "logprob", "bytes", "top_logprobs"}` of chat completions.
    func chat(_ entry: TokenLogProbability) -> JSON {
        guard case .object(var object) = chat(entry.token, entry.logProbability) else { return .null }
        object["top_logprobs"] = .array(entry.top.map { chat($0.token, $0.logProbability) })
        return .object(object)
    }

    private func chat(_ token: Int32, _ logProbability: Float) -> JSON {
        [
            "token": .string(texts.text(token)), "logprob": Self.number(logProbability),
            "bytes": .array(texts.bytes(token).map { .integer(Int64($0)) }),
        ]
    }

    /// The k most probable tokens and the actual token, by their text. If two tokens have the same text, the more
    /// probable one is used.
    func top(_ entry: TokenLogProbability) -> JSON {
        var object = JSONObject()
        func add(_ token: Int32, _ logProbability: Float) {
            let text = texts.text(token)
            let value = Self.number(logProbability)
            if let known = object[text]?.double, known >= value.double ?? -.infinity { return }
            object[text] = value
        }
        for alternative in entry.top { add(alternative.token, alternative.logProbability) }
        add(entry.token, entry.logProbability)
        return .object(object)
    }

    /// vLLM's `prompt_logprobs`: the candidates by id for each prompt token.
    func prompt(_ entries: [TokenLogProbability?]) -> JSON {
        .array(
            entries.map { entry in
                guard let entry else { return .null }
                var object = JSONObject()
                func add(_ token: Int32, _ logProbability: Float, rank: Int?) {
                    object[String(token)] = [
                        "logprob": Self.number(logProbability), "rank": rank.map { .integer($0) } ?? .null,
                        "decoded_token": .string(texts.text(token)),
                    ]
                }
                for (index, alternative) in entry.top.enumerated() {
                    add(alternative.token, alternative.logProbability, rank: index + 1)
                }
                if object[String(entry.token)] == nil { add(entry.token, entry.logProbability, rank: nil) }
                return .object(object)
            })
    }
}
