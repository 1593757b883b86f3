import MartletJSON
import MartletNN

/// What a run of group relative policy optimisation is made of.
public struct PolicyOptions: Sendable, Equatable {
    public var steps = 60
    /// Problems a step, and replies to each.
    public var problems = 16, groupSize = 8
    public var optimizer = OptimizerKind.adamw
    /// Nil is the optimiser's usual one.
    public var learningRate: Double?
    /// How the rate goes over the steps, without a warm-up.
    public var schedule = LearningRateSchedule.constant
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

    /// A tenth of what pre-training usually takes at a width of 256: 3e-4 for adamw.
    var resolvedRate: Double {
        learningRate ?? (UsualNumbers(optimizer, hiddenSize: 256).learningRate * 1e4).rounded() / 1e5
    }

    /// The rate of a step, counted from 0.
    func rate(_ step: Int) -> Double {
        // The usual length of a decay.
        schedule.rate(step: step, highest: resolvedRate, warmup: 0, total: steps, decay: steps / 5)
    }

    var json: JSON {
        [
            "steps": .integer(Int64(steps)), "problems": .integer(Int64(problems)),
            "group_size": .integer(Int64(groupSize)), "optimizer": .string(optimizer.rawValue),
            "learning_rate": .number(resolvedRate), "schedule": .string(schedule.rawValue),
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
        try need(resolvedRate > 0 && resolvedRate <= 1, "learning rate", resolvedRate, "more than 0, at most 1")
        try need((1...64).contains(updates), "updates", updates, "1 to 64")
        try need((1...65_536).contains(maximumTokens), "maximum tokens", maximumTokens, "1 to 65536")
        try need(temperature > 0 && temperature <= 10, "temperature", temperature, "more than 0, at most 10")
        try need(clip > 0 && clip < 1, "clip", clip, "between 0 and 1")
        try need(gradientClip > 0 && gradientClip <= 1e6, "gradient clip", gradientClip, "more than 0, at most 1e6")
        try need((1...1_000_000).contains(evaluateEvery), "evaluate every", evaluateEvery, "1 to 1000000")
        try need((0...100_000).contains(evaluationQuestions), "questions", evaluationQuestions, "0 to 100000")
        try need((1...1_000_000).contains(saveEvery), "save every", saveEvery, "1 to 1000000")
        try need((1...1000).contains(keep), "keep", keep, "1 to 1000")
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
