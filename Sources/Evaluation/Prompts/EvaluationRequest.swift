import MartletJSON
import MartletSystem

/// What is asked of a model.
public enum EvaluationRequest: Sendable, Hashable {
    case logLikelihood(context: String, continuation: String)
    case rolling(String)
    /// `turn` numbers the replies to one prompt where several are drawn.
    case generate(String, TaskGeneration, turn: Int)

    /// The arguments as lm-evaluation-harness writes them into its samples.
    package var arguments: [JSON] {
        switch self {
        case .logLikelihood(let context, let continuation): [.string(context), .string(continuation)]
        case .rolling(let text): [.string(text)]
        case .generate(let context, let settings, _): [.string(context), settings.json]
        }
    }

    /// SHA-256 of kind and arguments: what answers are kept under.
    public var key: String {
        let kind: JSON, turn: JSON
        switch self {
        case .logLikelihood: (kind, turn) = ("loglikelihood", 0)
        case .rolling: (kind, turn) = ("loglikelihood_rolling", 0)
        // Greedy replies to one prompt are equal.
        case .generate(_, let settings, let number):
            (kind, turn) = ("generate_until", .integer(settings.temperature > 0 ? Int64(number) : 0))
        }
        return hexadecimalHash(JSON.array([kind, turn] + arguments).bytes())
    }
}

/// What a model answers.
public enum RequestAnswer: Sendable, Equatable {
    /// Log-likelihood of the continuation, and whether greedy decoding gives it.
    case score(Double, isGreedy: Bool)
    /// Log-likelihood of a text.
    case total(Double)
    case reply(String)
    /// None, and why: the tokenizer has no token for what is asked.
    case unanswerable(String)

    var json: JSON {
        switch self {
        case .score(let sum, let isGreedy): [.number(sum), .bool(isGreedy)]
        case .total(let sum): .number(sum)
        case .reply(let text): .string(text)
        case .unanswerable(let reason): ["unanswerable": .string(reason)]
        }
    }

    init?(_ json: JSON) {
        if let text = json.string {
            self = .reply(text)
        } else if let pair = json.array, pair.count == 2, let sum = pair[0].double, let isGreedy = pair[1].bool {
            self = .score(sum, isGreedy: isGreedy)
        } else if let sum = json.double {
            self = .total(sum)
        } else if let reason = json["unanswerable"]?.string {
            self = .unanswerable(reason)
        } else {
            return nil
        }
    }

    var logLikelihood: Double {
        switch self {
        case .score(let sum, _), .total(let sum): sum
        case .reply, .unanswerable: .nan
        }
    }

    /// Why there is none.
    var reason: String? { if case .unanswerable(let reason) = self { reason } else { nil } }
}

func hexadecimalHash(_ bytes: some Sequence<UInt8>) -> String {
    SHA256.hash(bytes).map { byte in
        let digits = String(byte, radix: 16)
        return digits.count < 2 ? "0" + digits : digits
    }.joined()
}
