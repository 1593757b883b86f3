import MartletChat
import MartletJSON

/// Problems with verifiable answers, for reinforcement learning.
public protocol VerifiableTask: Sendable {
    /// "arithmetic", as `--task` names it.
    var name: String { get }
    /// What must be the same when a run is resumed.
    var identity: String { get }
    /// Problem `index`; the problems held out share none with those trained on.
    func problem(_ index: Int, heldOut: Bool) -> VerifiableProblem
    /// The number of held-out problems, at most as many as requested.
    func heldOutCount(of asked: Int) -> Int
}

extension VerifiableTask {
    public var identity: String { name }
    public func heldOutCount(of asked: Int) -> Int { asked }
}

public struct VerifiableProblem: Sendable {
    public let messages: [ChatMessage]
    /// The reference answer, where there is one.
    public var answer: String?
    /// The record that it was read from.
    public var columns = JSONObject()
    /// 0 for a wrong reply, 1 for a right one, or between; nil if only rewards judge.
    public var check: (@Sendable (_ reply: String) -> Double)?

    public init(messages: [ChatMessage], answer: String? = nil, check: (@Sendable (String) -> Double)? = nil) {
        self.messages = messages
        self.answer = answer
        self.check = check
    }

    func request(_ reply: String) -> RewardRequest {
        var request = RewardRequest(prompt: messages, reply: reply, answer: answer, columns: columns)
        request.check = check
        return request
    }
}
