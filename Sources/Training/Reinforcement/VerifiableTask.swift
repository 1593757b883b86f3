import MartletChat

/// Problems whose answers a program can check: what reinforcement learning with verifiable rewards is made of.
public protocol VerifiableTask: Sendable {
    /// "arithmetic", as `--task` names it.
    var name: String { get }
    /// Problem `index`; the problems held out share none with those trained on.
    func problem(_ index: Int, heldOut: Bool) -> VerifiableProblem
}

public struct VerifiableProblem: Sendable {
    public let messages: [ChatMessage]
    /// 0 for a wrong reply, 1 for a right one, or between.
    public let reward: @Sendable (_ reply: String) -> Double

    public init(messages: [ChatMessage], reward: @escaping @Sendable (String) -> Double) {
        self.messages = messages
        self.reward = reward
    }
}
