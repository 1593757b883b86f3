import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// What a run of group relative policy optimisation is made of.
public struct PolicyOptions: Sendable, Equatable {
    public var steps = 60
    /// Problems a step, and replies to each.
    public var problems = 16, groupSize = 8
    public var learningRate = 3e-4
    /// Steps of the optimiser on the same replies.
    public var updates = 1
    public var maximumTokens = 64
    public var temperature = 1.0
    public var clip = 0.2, gradientClip = 1.0
    public var dividesByDeviation = true
    public var seed: UInt64 = 1
    public var evaluateEvery = 20, evaluationQuestions = 200
    public var saveEvery = 20, keep = 2

    public init() {}

    var json: JSON {
        [
            "steps": .integer(Int64(steps)), "problems": .integer(Int64(problems)),
            "group_size": .integer(Int64(groupSize)), "learning_rate": .number(learningRate),
            "updates": .integer(Int64(updates)), "maximum_tokens": .integer(Int64(maximumTokens)),
            "temperature": .number(temperature), "clip": .number(clip), "gradient_clip": .number(gradientClip),
            "divides_by_deviation": .bool(dividesByDeviation), "seed": .integer(Int64(seed)),
        ]
    }

    /// - Throws: `TrainingError` naming the first value that is out of range, and the range.
    public func check() throws(TrainingError) {
        func need(_ holds: Bool, _ name: String, _ value: Any, _ expected: String) throws(TrainingError) {
            guard holds else {
                throw TrainingError(.configuration, "\(name) is \(value); expected \(expected)")
            }
        }
        try need((1...1_000_000).contains(steps), "steps", steps, "1 to 1000000")
        try need((1...4096).contains(problems), "problems", problems, "1 to 4096")
        try need((2...1024).contains(groupSize), "group", groupSize, "2 to 1024: replies are compared with each other")
        try need(learningRate > 0 && learningRate <= 1, "learning rate", learningRate, "more than 0, at most 1")
        try need((1...64).contains(updates), "updates", updates, "1 to 64")
        try need((1...65_536).contains(maximumTokens), "maximum tokens", maximumTokens, "1 to 65536")
        try need(temperature > 0 && temperature <= 10, "temperature", temperature, "more than 0, at most 10")
        try need(clip > 0 && clip < 1, "clip", clip, "between 0 and 1")
    }
}

/// One step of policy optimisation, as it is shown and logged.
public struct PolicyReport: Sendable {
    public let step, total: Int
    /// Mean over all replies.
    public let reward: Double
    public let loss, gradientNorm, learningRate: Double
    /// Mean tokens of a reply, and the share that came to an end.
    public let replyTokens, finished: Double
    /// Groups whose replies were not all worth the same: only they teach.
    public let usefulGroups: Double
    /// The largest |log p of the rollout − log p in training| before the first update.
    public let largestDifference: Double
    public let seconds, totalSeconds: Double
    public let tokens: Int
}

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
    private let optimizer: AdamW
    private let policy: GroupRelativePolicy
    private let log: RunLog
    public private(set) var step = 0
    private var seconds = 0.0

    public init(run: String, model: StartingModel, task: WorldTask, options: PolicyOptions) throws {
        try options.check()
        self.run = run
        self.model = model
        self.task = task
        self.options = options
        decoder = model.decoder
        encoder = try model.chatEncoder()
        optimizer = AdamW(ParameterGroup.decaying(model.parameters, weightDecay: 0), beta1: 0.9, beta2: 0.95)
        var policy = GroupRelativePolicy()
        policy.clip = options.clip
        policy.dividesByDeviation = options.dividesByDeviation
        self.policy = policy
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

    /// Goes on from the newest checkpoint that is whole. - Returns: it, and those that were passed over.
    public func resume() throws -> (checkpoint: TrainingCheckpoint?, broken: [(path: String, why: String)]) {
        let (usable, broken) = TrainingCheckpoint.list(run: run)
        guard let newest = usable.last else { return (nil, broken) }
        try newest.demand(configuration)
        try newest.restore(model.parameters, optimizer)
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
    @discardableResult
    public func train(isInterrupted: () -> Bool = { false }, report: (Event) -> Void) throws -> Bool {
        if isFinished { return true }
        let clock = ContinuousClock()
        try log.begin(after: step)
        defer { log.end() }
        if step == 0 { try evaluate(report) }
        while step < options.steps {
            if isInterrupted() || RunControl.takeStop(run) {
                save(report)
                return false
            }
            let start = clock.now
            let made = try advance()
            let elapsed = (clock.now - start) / .seconds(1)
            seconds += elapsed
            let done = PolicyReport(
                step: step, total: options.steps, reward: made.reward, loss: made.loss, gradientNorm: made.norm,
                learningRate: options.learningRate, replyTokens: made.replyTokens, finished: made.finished,
                usefulGroups: made.usefulGroups, largestDifference: made.difference, seconds: elapsed,
                totalSeconds: seconds, tokens: made.tokens)
            log.policy(done)
            report(.step(done))
            if step == options.steps { break }
            if step % options.evaluateEvery == 0 { try evaluate(report) }
            if step % options.saveEvery == 0 { save(report) }
        }
        try evaluate(report)
        save(report)
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
        let advantages = policy.advantages(rewards, groupSize: options.groupSize)
        var made = Made()
        made.reward = rewards.reduce(0, +) / Double(rewards.count)
        made.replyTokens = Double(rollouts.reduce(0) { $0 + $1.reply.count }) / Double(rollouts.count)
        made.finished = Double(rollouts.count { $0.isFinished }) / Double(rollouts.count)
        made.tokens = rollouts.reduce(0) { $0 + $1.prompt.count + $1.reply.count }
        // Where all replies of a group are worth the same, the gradient is zero: they are left out.
        let useful = rollouts.indices.filter { advantages[$0] != 0 }
        made.usefulGroups = Double(useful.count) / Double(rollouts.count)
        for update in 0..<(useful.isEmpty ? 0 : options.updates) {
            let (loss, difference) = try policy.loss(
                decoder, useful.map { rollouts[$0] }, advantages: useful.map { advantages[$0] })
            try loss.backward()
            let norm = try model.parameters.gradientNorm()
            made.loss = try loss.item(as: Double.self)
            made.norm = norm
            if update == 0 { made.difference = difference }
            guard made.loss.isFinite, norm.isFinite else {
                throw TrainingError(
                    .numbers,
                    "step \(step + 1): the loss is \(made.loss), the gradient norm \(norm); the first problem is "
                        + "\"\(problems[0].messages.last?.content ?? "")\"; lower the learning rate")
            }
            try optimizer.step(
                learningRate: options.learningRate,
                gradientScale: norm > options.gradientClip ? options.gradientClip / norm : 1)
            model.parameters.clearGradients()
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

    private func save(_ report: (Event) -> Void) {
        do {
            let state: JSON = [
                "step": .integer(Int64(step)), "optimizer_steps": .integer(Int64(optimizer.stepCount)),
                "seconds": .number(seconds), "configuration": configuration,
            ]
            let saved = try TrainingCheckpoint.write(
                run: run, step: step, parameters: model.parameters, optimizer: optimizer, state: state,
                files: model.files.all)
            try saved.publish(in: run)
            for old in TrainingCheckpoint.list(run: run).usable.dropLast(options.keep) { old.remove() }
            report(.saved(step: step, path: saved.path))
        } catch {
            report(.notSaved(step: step, why: "\(error)"))
        }
    }
}
