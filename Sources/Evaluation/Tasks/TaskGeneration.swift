import MartletJSON
import MartletSystem

/// `generation_kwargs`: how a reply is generated and where it ends.
public struct TaskGeneration: Sendable, Hashable {
    /// Texts before which the reply ends.
    public var until: [String]
    public var maximumTokens = 256
    /// 0 is greedy decoding.
    public var temperature = 0.0
    public var topP = 1.0
    public var topK = 0

    package init(_ json: JSON?, delimiter: String, task: String) throws(EvaluationError) {
        until = [delimiter]
        guard let json, !json.isNull else { return }
        guard let members = json.object else {
            throw EvaluationError(task, field: "generation_kwargs", "is \(json.kind), expected names and values")
        }
        var samples: Bool?
        for (key, value) in members {
            func number(_ range: ClosedRange<Double>) throws(EvaluationError) -> Double {
                let written = value.double ?? value.string.flatMap(Double.init)
                guard let number = written, range.contains(number) else {
                    throw EvaluationError(
                        task, field: "generation_kwargs.\(key)",
                        "is \(value.text()), expected a number from \(range.lowerBound) to \(range.upperBound)")
                }
                return number
            }
            switch key {
            case "until", "stop":
                let list = value.isNull ? [] : value.array ?? [value]
                guard list.allSatisfy({ $0.string != nil }) else {
                    throw EvaluationError(task, field: "generation_kwargs.until", "expected a text or a list of texts")
                }
                until = list.compactMap(\.string).filter { !$0.isEmpty }
            case "max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens":
                maximumTokens = Int(try number(1...1_000_000))
            case "temperature": temperature = try number(0...100)
            case "top_p": topP = try number(0...1)
            case "top_k": topK = Int(try number(0...1_000_000))
            case "do_sample": samples = value.bool
            default:
                throw EvaluationError(
                    task, field: "generation_kwargs",
                    "\(key.quoted()) is not read; known are until, max_gen_toks, temperature, top_p, top_k, do_sample")
            }
        }
        if samples == false { temperature = 0 }
        if samples == true, members["temperature"] == nil { temperature = 1 }
    }

    public var json: JSON {
        [
            "until": .array(until.map { .string($0) }), "max_gen_toks": .integer(Int64(maximumTokens)),
            "do_sample": .bool(temperature > 0), "temperature": .number(temperature), "top_p": .number(topP),
            "top_k": .integer(Int64(topK)),
        ]
    }
}
