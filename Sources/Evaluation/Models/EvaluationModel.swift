import MartletChat
import MartletJSON

/// What an evaluation asks its questions of: a model in this process, a server, or anything else that answers.
public protocol EvaluationModel: AnyObject {
    /// What tells one model from another; answers of a model with another identity are never mixed with its own.
    var identity: JSONObject { get }
    /// The name for tables and files.
    var name: String { get }
    /// The source of the chat template, where there is one.
    var chatTemplate: String? { get }
    /// What should be told once: prompts that were cut, for example.
    var notes: [String] { get }

    /// Takes requests whose answers are there already into `notes`, so that these are the same for an evaluation that was
    /// stopped and went on.
    func recall(_ requests: [EvaluationRequest]) throws

    /// A conversation as the model's template renders it.
    /// - Parameter opensReply: whether it ends with what opens the reply; otherwise the last message is continued.
    func render(_ messages: [ChatMessage], opensReply: Bool) throws -> String

    /// Answers requests in whatever order suits; `receive` is called once for each, with its place. One whose text has no
    /// tokens in the model's vocabulary is `.unanswerable`, and ends nothing.
    /// - Throws: `CancellationError` once `isCancelled` is true; what was received before stays.
    func answer(
        _ requests: [EvaluationRequest], isCancelled: () -> Bool, receive: (Int, RequestAnswer) throws -> Void
    ) throws
}

extension EvaluationModel {
    /// Nothing is noted.
    public func recall(_ requests: [EvaluationRequest]) throws {}

    /// Answers requests none of which may be left out.
    /// - Throws: `EvaluationError` for one that is `.unanswerable`; as `answer(_:isCancelled:receive:)`.
    func answerAll(
        _ requests: [EvaluationRequest], isCancelled: () -> Bool, receive: (Int, RequestAnswer) throws -> Void
    ) throws {
        try answer(requests, isCancelled: isCancelled) { place, answer in
            if let reason = answer.reason { throw EvaluationError(name, "a text cannot be read: \(reason)") }
            try receive(place, answer)
        }
    }
}
