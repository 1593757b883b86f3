import MartletData
import MartletTasks

/// The synthetic world's problems as a task: reward 1 for a right, finished reply, else 0.
public struct WorldTask: VerifiableTask {
    public let kind: WorldKind
    public let world: World
    public var name: String { kind == .arithmetic ? "arithmetic" : "world" }

    public var identity: String { "\(name) of world \(world.seed)" }

    public static let names = ["arithmetic", "world"]

    /// - Parameters:
    ///   - name: "arithmetic" or "world".
    ///   - seed: the seed of the village that the model was trained on. - chinese: the percentage of Chinese questions.
    public init(named name: String, seed: UInt64 = 1, chinese: Int = 30) throws(TrainingError) {
        guard Self.names.contains(name) else {
            throw TrainingError(
                .configuration, "there is no task \"\(name)\"; there are \(Self.names.joined(separator: " and "))")
        }
        kind = name == "arithmetic" ? .arithmetic : .questions
        world = World(seed: seed, chinese: chinese)
    }

    public func question(_ index: Int, heldOut: Bool) -> WorldQuestion {
        // Documents of these kinds always have their question.
        world.document(index, split: heldOut ? .validation : .train, kind: kind).question
            ?? WorldQuestion(category: name, language: .english, prompt: [], reply: "", check: .number(0))
    }

    public func problem(_ index: Int, heldOut: Bool) -> VerifiableProblem {
        let question = question(index, heldOut: heldOut)
        return VerifiableProblem(messages: question.chat, answer: question.check.expected) {
            question.check.accepts($0) ? 1 : 0
        }
    }

    /// The fixed set for evaluation.
    public func heldOut(_ count: Int) -> [WorldQuestion] { (0..<count).map { question($0, heldOut: true) } }
}
