import MartletChat
import MartletInference
import MartletJSON
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Who is asked which of two things is better: questions that are answered with A or B.
protocol ReplyJudge {
    /// How likely each question is answered with A and not with B.
    func answers(_ questions: [String]) throws -> [JudgedAnswer]
}

/// What a judge said to a question.
package enum JudgedAnswer: Sendable, Equatable {
    /// The probability of A, of A and B alone.
    case chance(Double)
    /// The question does not fit into the judge's context.
    case tooLong
    /// It answered neither A nor B.
    case unclear
}

/// A model on this machine, asked for the probabilities of both answers.
struct LocalJudge: ReplyJudge {
    let model: LanguageModel
    let encoder: ChatEncoder

    func answers(_ questions: [String]) throws -> [JudgedAnswer] {
        try questions.map { question in
            let context = try encoder.prompt([ChatMessage(role: "user", content: question)])
            guard context.count < model.configuration.contextLength else { return .tooLong }
            let sides = try ["A", "B"].map { try model.tokenizer.encode($0, addSpecialTokens: false) }
            let scores = try Scorer(model).logLikelihood(context: context, continuations: sides)
            // Both are one token in most vocabularies; else the whole words count.
            return .chance(1 / (1 + exp(scores[1].logProbability - scores[0].logProbability)))
        }
    }
}

/// A model behind a URL with OpenAI's interface (`/v1/chat/completions`), asked for its most likely first tokens; where the
/// server gives none, the letter that it writes counts as certain.
///
///     let judge = RemoteJudge(try TeacherConnection(url: "http://host:8000/v1", role: "judge"), name: "big")
public final class RemoteJudge: ReplyJudge, Sendable {
    public let connection: TeacherConnection
    public let name: String
    /// Whether the server refuses to be asked for probabilities.
    private let refusesProbabilities = Mutex(false)
    private let letters = Mutex(0)
    private static let atOnce = 4

    /// - Parameter name: of the model there.
    public init(_ connection: TeacherConnection, name: String) {
        self.connection = connection
        self.name = name
    }

    /// Answers that were a letter without probabilities.
    public var answersByLetter: Int { letters.withLock { $0 } }

    package func answers(_ questions: [String]) throws -> [JudgedAnswer] {
        try RemoteTeacher.together(questions.count, Self.atOnce) { index throws(TeacherError) in
            try self.answer(questions[index])
        }
    }

    private func answer(_ question: String) throws(TeacherError) -> JudgedAnswer {
        let body = JSONObject([
            ("model", .string(name)), ("messages", [["role": "user", "content": .string(question)]]),
            ("max_tokens", 8), ("temperature", 0), ("stream", false),
        ])
        if !refusesProbabilities.withLock({ $0 }) {
            var asking = body
            asking["logprobs"] = true
            asking["top_logprobs"] = 20
            do throws(TeacherError) {
                return try read(connection.post("/chat/completions", .object(asking)))
            } catch {
                guard error.kind == .refused, error.reason.contains("logprobs") else {
                    if Self.isTooLong(error) { return .tooLong }
                    throw error
                }
                refusesProbabilities.withLock { $0 = true }
            }
        }
        do throws(TeacherError) { return try read(connection.post("/chat/completions", .object(body))) } catch {
            if Self.isTooLong(error) { return .tooLong }
            throw error
        }
    }

    /// vLLM, llama-server, OpenAI and `martlet serve` refuse a prompt that has no room with words about the context.
    private static func isTooLong(_ error: TeacherError) -> Bool {
        error.kind == .refused && error.reason.contains("status 400") && error.reason.contains("context")
    }

    private func read(_ answer: JSON) throws(TeacherError) -> JudgedAnswer {
        guard let choice = answer["choices"]?.array?.first else {
            var error = TeacherError(
                .malformed, connection.url, "no choice is in its answer \(answer.text().quoted(limit: 200))")
            error.role = connection.role
            throw error
        }
        // Some models begin with a space.
        for entry in choice["logprobs"]?["content"]?.array ?? [] {
            guard let text = entry["token"]?.string, text.contains(where: { !$0.isWhitespace }) else { continue }
            var chances = (a: 0.0, b: 0.0)
            for candidate in entry["top_logprobs"]?.array ?? [] {
                guard let number = candidate["logprob"]?.double, number <= 1e-3 else { continue }
                switch Self.letter(candidate["token"]?.string ?? "") {
                case "A": chances.a += exp(number)
                case "B": chances.b += exp(number)
                default: break
                }
            }
            // Else the answer is still to come, behind a mark or a bracket.
            guard chances.a + chances.b > 0.1 else { continue }
            return .chance(chances.a / (chances.a + chances.b))
        }
        guard let letter = Self.letter(choice["message"]?["content"]?.string ?? "") else { return .unclear }
        letters.withLock { $0 += 1 }
        return .chance(letter == "A" ? 1 : 0)
    }

    /// The answer that a text begins with: "A", " B", "(A)", "**B**.".
    private static func letter(_ text: String) -> Character? {
        let bare = text.drop { !$0.isLetter }
        guard let first = bare.first, first == "A" || first == "B" else { return nil }
        return bare.dropFirst().first?.isLetter ?? false ? nil : first
    }
}
