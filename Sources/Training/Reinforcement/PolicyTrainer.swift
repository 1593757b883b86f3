import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// Reinforcement learning with verifiable rewards: replies written by the model itself, compared within their group.
///
/// The replies of a step follow from its number, the seed and the weights, so that a resumed run is the same run.
public final class PolicyTrainer {
    public let run: String
    public let options: PolicyOptions
    public let task: WorldTask
    public let decoder: Decoder
    public let encoder: ChatEncoder
    private let model: StartingModel
    private let loop: StepLoop
    private let objective: GroupRelativePolicy
    private let log: RunLog
    public private(set) var step = 0
    private var seconds = 0.0
    private var lock: RunLock?
    private var damaged: Set<String> = []

    /// - Parameter memory: bytes that weights, gradients and the optimiser's state may come to; nil does not look. What
    ///   replies take depends on how long the model makes them, and is not foreseen.
    public init(
        run: String, model: StartingModel, task: WorldTask, options: PolicyOptions,
        memory: Int? = MachineMemory().total
    ) throws {
        try options.check()
        try TrainingCost.demand(
            TrainingCost(model.decoder.configuration, length: 1).memory(tokens: 0, optimizer: options.optimizer),
            within: memory, for: "reinforcement learning")
        self.run = run
        self.model = model
        self.task = task
        self.options = options
        decoder = model.decoder
        encoder = try model.chatEncoder()
        let usual = UsualNumbers(options.optimizer, hiddenSize: decoder.configuration.hiddenSize)
        loop = try StepLoop(model.parameters, clip: options.gradientClip) {
            // Nothing decays: what was learnt before is to stay.
            options.optimizer.make($0, OptimizerKind.Numbers(beta2: usual.beta2, momentum: usual.momentum))
        }
        var objective = GroupRelativePolicy(decoder)
        objective.clip = options.clip
        objective.temperature = options.temperature
        self.objective = objective
        try makeFolder(run)
        log = try RunLog(folder: run)
    }

    private var configuration: JSON {
        var members = options.json.object ?? JSONObject()
        members["task"] = .string(task.name)
        members["world_seed"] = .integer(Int64(truncatingIfNeeded: task.world.seed))
        members["from"] = .string(model.path)
        return .object(members)
    }

    /// Whether all steps are done; the checkpoint of the last one is written after the last evaluation.
    public var isFinished: Bool { step >= options.steps }

    /// Takes the run for this process until the end of `train`, which does so itself where it was not done before.
    /// - Throws: `TrainingError` where another process trains in the folder.
    public func claim() throws {
        if lock == nil { lock = try RunLock(run: run) }
    }

    /// Goes on from the newest checkpoint that is whole and undamaged. - Returns: it, and those that were passed over.
    public func resume() throws -> (checkpoint: TrainingCheckpoint?, broken: [(path: String, why: String)]) {
        try claim()
        let (found, broken) = TrainingCheckpoint.newestSound(run: run)
        damaged = Set(broken.map(\.path))
        guard let newest = found else { return (nil, broken) }
        do {
            try newest.demand(configuration)
            try loop.restore(newest)
        } catch {
            lock = nil
            throw error
        }
        step = newest.step
        seconds = newest.state["seconds"]?.double ?? 0
        return (newest, broken)
    }

    public enum Event: Sendable {
        case step(PolicyReport)
        case evaluated(step: Int, QuestionEvaluation)
        case saved(step: Int, path: String)
        case notSaved(step: Int, why: String)
    }

    /// Does nothing where the run is finished. - Returns: whether it came to its end.
    /// - Throws: `TrainingError` also where the last state could not be saved: it would be lost.
    @discardableResult
    public func train(isInterrupted: () -> Bool = { false }, report: (Event) -> Void) throws -> Bool {
        try claim()
        defer { lock = nil }
        if isFinished { return true }
        let clock = ContinuousClock()
        try log.begin(after: step)
        if step == 0 { try evaluate(report) }
        while step < options.steps {
            if isInterrupted() || RunControl.takeStop(run) {
                try save(report, mustSucceed: true)
                return false
            }
            let start = clock.now
            let made = try advance()
            let elapsed = (clock.now - start) / .seconds(1)
            seconds += elapsed
            let done = PolicyReport(
                step: step, total: options.steps, reward: made.reward, loss: made.loss, gradientNorm: made.norm,
                learningRate: options.rate(step - 1), replyTokens: made.replyTokens, finished: made.finished,
                usefulGroups: made.usefulGroups, largestDifference: made.difference, seconds: elapsed,
                totalSeconds: seconds, tokens: made.tokens)
            log.policy(done)
            report(.step(done))
            if step == options.steps { break }
            if step % options.evaluateEvery == 0 { try evaluate(report) }
            if step % options.saveEvery == 0 { try save(report) }
        }
        try evaluate(report)
        try save(report, mustSucceed: true)
        return true
    }

    private struct Made {
        var reward = 0.0, loss = 0.0, norm = 0.0, replyTokens = 0.0, finished = 0.0, usefulGroups = 0.0
        var difference = 0.0
        var tokens = 0
    }

    private func advance() throws -> Made {
        let problems = (0..<options.problems).map {
            task.problem(
                step * options.problems + $0 + Int(truncatingIfNeeded: options.seed % 1_000_003) * 1_000_003,
                heldOut: false)
        }
        let engine = RolloutEngine(
            decoder: decoder, endTokens: encoder.tokenizer.eosTokens, maximumTokens: options.maximumTokens,
            temperature: options.temperature)
        let rollouts = try engine.replies(
            to: problems.map { try encoder.prompt($0.messages) }, copies: options.groupSize,
            seed: options.seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(step))
        var rewards: [Double] = []
        for (index, rollout) in rollouts.enumerated() {
            // A reply without an end would be paid for luck.
            rewards.append(
                rollout.isFinished
                    ? problems[index / options.groupSize].reward(try rollout.text(encoder.tokenizer)) : 0)
        }
        let advantages = GroupRelativePolicy.advantages(
            rewards, groupSize: options.groupSize, dividesByDeviation: options.dividesByDeviation)
        var made = Made()
        made.reward = rewards.reduce(0, +) / Double(rewards.count)
        made.replyTokens = Double(rollouts.reduce(0) { $0 + $1.reply.count }) / Double(rollouts.count)
        made.finished = Double(rollouts.count { $0.isFinished }) / Double(rollouts.count)
        made.tokens = rollouts.reduce(0) { $0 + $1.prompt.count + $1.reply.count }
        // Where all replies of a group are worth the same, the gradient is zero: they are left out.
        let useful = rollouts.indices.filter { advantages[$0] != 0 }
        made.usefulGroups = Double(useful.count) / Double(rollouts.count)
        let samples = useful.map { GroupRelativePolicy.Sample(rollouts[$0], advantage: advantages[$0]) }
        for update in 0..<(useful.isEmpty ? 0 : options.updates) {
            let outcome = try loop.step(
                objective, number: step, rate: options.rate(step),
                data: { "the first problem is \"\(problems[0].messages.last?.content ?? "")\"" }
            ) { [samples] }
            guard let outcome else { break }
            made.loss = outcome.loss
            made.norm = outcome.gradientNorm
            if update == 0 { made.difference = outcome.metrics.first?.value ?? 0 }
        }
        step += 1
        return made
    }

    private func evaluate(_ report: (Event) -> Void) throws {
        guard options.evaluationQuestions > 0 else { return }
        guard
            let result = try QuestionEvaluation(
                task: task.name, task.heldOut(options.evaluationQuestions), decoder, encoder,
                maximumTokens: options.maximumTokens)
        else { return }
        log.score(step: step, result)
        report(.evaluated(step: step, result))
    }

    /// - Parameter mustSucceed: the run ends here, so that what is not saved is lost.
    private func save(_ report: (Event) -> Void, mustSucceed: Bool = false) throws {
        if let name = try model.parameters.firstNotFinite() {
            throw TrainingError(
                .numbers,
                "after step \(step), \(name) has values that are no numbers; "
                    + (sound.map { "\($0.path) is good: " } ?? "")
                    + "lower the learning rate")
        }
        do {
            let state: JSON = [
                "step": .integer(Int64(step)), "optimizer_steps": .integer(Int64(loop.optimizer.stepCount)),
                "seconds": .number(seconds), "configuration": configuration,
            ]
            let saved = try TrainingCheckpoint.write(
                run: run, step: step, parameters: model.parameters, optimizer: loop.optimizer, state: state,
                files: model.files.all(savedAs: "float32"))
            damaged.remove(saved.path)
            try saved.publish(in: run)
            let all = TrainingCheckpoint.list(run: run).usable.filter { !damaged.contains($0.path) }
            for old in all.dropLast(options.keep) { old.remove() }
            report(.saved(step: step, path: saved.path))
        } catch {
            guard mustSucceed else { return report(.notSaved(step: step, why: "\(error)")) }
            throw TrainingError(
                .checkpoint,
                "step \(step) could not be saved (\(error)); "
                    + (sound.map { "\($0.path) is good: make room, and --resume auto goes on from it" }
                        ?? "make room and begin anew: there is no checkpoint yet"))
        }
    }

    /// The newest checkpoint that can be gone on from.
    private var sound: TrainingCheckpoint? {
        TrainingCheckpoint.list(run: run).usable.last { !damaged.contains($0.path) }
    }
}
