import MartletData
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletRuns
import MartletTensor
import MartletTokenizers

/// Pairs or judged replies that a run learns from. The rows of a step follow from its number and the seed.
final class FeedbackSource: TrainingSource {
    enum Goal {
        case pairs(PreferencePolicy)
        case judged(JudgedPolicy)
        case reward(PairwiseReward)
        case steps(StepReward)
    }

    let files: ModelFolderFiles
    let looksFirst = true
    var fingerprint: String { data.fingerprint }
    let notes: [String]
    let data: FeedbackData
    let goal: Goal
    private let from: String
    let tokenizer: Tokenizer
    private let reference: String?
    private let perStep: Int, microBatches: Int, logEvery: Int
    private let evaluationRows: Int
    private let seed: UInt64

    init(
        _ data: FeedbackData, _ goal: Goal, files: ModelFolderFiles, from model: StartingModel, reference: String?,
        _ options: RunOptions
    ) {
        self.data = data
        self.goal = goal
        self.files = files
        from = model.path
        tokenizer = model.tokenizer
        self.reference = reference
        notes = data.notes
        perStep = options.rows.perStep
        microBatches = options.compute.microBatches
        logEvery = options.checkpoints.logEvery
        evaluationRows = options.evaluation.rows
        seed = options.general.randomSeed
    }

    var state: [JSONObject.Element] {
        [("from", .string(from)), ("feedback", .string(data.fingerprint))]
            + (reference.map { [("reference", .string($0))] } ?? [])
    }

    func demand(_ checkpoint: TrainingCheckpoint) throws {
        try checkpoint.demandSame(state)
    }

    func whyLeftOut(step: Int) -> String { "it has no row" }

    /// The rows of a step: epoch after epoch, each in its own order.
    private func rows(_ step: Int) -> [Int] {
        let count = data.trainingCount
        return (0..<perStep).map { place in
            let index = step * perStep + place, epoch = UInt64(index / count)
            return KeyedPermutation(count: count, key: seed &+ epoch &* 0x9E37_79B9_7F4A_7C15)(index % count)
        }
    }

    private func parts(_ rows: [Int]) -> [ArraySlice<Int>] {
        let count = min(microBatches, rows.count)
        return (0..<count).map { rows[rows.count * $0 / count..<rows.count * ($0 + 1) / count] }
    }

    func take(_ loop: StepLoop, step: Int, rate: Double) throws -> SourceStep? {
        let rows = rows(step), parts = parts(rows)
        let measures = (step + 1) % logEvery == 0 || step == 0
        func told() -> String { "the step's rows are \(rows.prefix(8).map(String.init).joined(separator: ", "))" }
        let outcome: StepLoop.Outcome?, tokens: Int, worths = RowWorths()
        switch goal {
        case .pairs(var objective):
            objective.measuresTokens = measures
            objective.worths = worths
            let all = rows.map { data.pairs[$0] }, likelihood = objective.likelihoodTokens(all)
            outcome = try loop.step(objective, number: step, rate: rate, data: told) {
                parts.map { .init(pairs: $0.map { data.pairs[$0] }, likelihoodTokens: likelihood) }
            }
            tokens = all.reduce(0) { $0 + $1.tokenCount }
        case .judged(var objective):
            objective.measuresTokens = measures
            objective.worths = worths
            let z = try objective.divergence(of: rows.map { data.mismatched[$0] })
            outcome = try loop.step(objective, number: step, rate: rate, data: told) {
                parts.map { .init($0.map { data.judged[$0] }, divergence: z) }
            }
            tokens = rows.reduce(0) { $0 + data.judged[$1].sequence.tokens.count - 1 }
        case .reward(var objective):
            objective.worths = worths
            outcome = try loop.step(objective, number: step, rate: rate, data: told) {
                parts.map { $0.map { data.pairs[$0] } }
            }
            tokens = rows.reduce(0) { $0 + data.pairs[$1].tokenCount }
        case .steps(var objective):
            objective.worths = worths
            outcome = try loop.step(objective, number: step, rate: rate, data: told) {
                parts.map { $0.map { data.stepped[$0] } }
            }
            tokens = rows.reduce(0) { $0 + data.stepped[$1].tokens.count }
        }
        return outcome.map { outcome in
            var outcome = outcome
            outcome.metrics = Self.withMargins(outcome.metrics)
            return SourceStep(outcome: outcome, tokens: tokens) { [self] in try table(rows, worths) }
        }
    }

    /// KTO's margin is the difference of two means over rows of different kinds.
    private static func withMargins(_ metrics: [Metric]) -> [Metric] {
        func value(_ name: String) -> Double? { metrics.first { $0.name == name }?.value }
        guard value("rewards/margins") == nil, let good = value("rewards/chosen"), let bad = value("rewards/rejected")
        else { return metrics }
        return metrics + [Metric("rewards/margins", good - bad)]
    }

    func look() throws -> Look? {
        let held = Array((data.trainingCount..<data.count).prefix(evaluationRows))
        guard !held.isEmpty else { return nil }
        return try noGrad {
            var loss = 0.0, weights = 0.0, metrics = MetricFold()
            // As of one step on all of them, whatever part is computed at once.
            func take<Goal: Objective>(_ objective: Goal, _ batch: Goal.Batch, of total: Double) throws {
                let weight = objective.weight(of: batch)
                let found = try objective.loss(of: batch, StepContext(weight: total))
                loss += try found.value.item(as: Double.self)
                weights += weight
                metrics.add(found.metrics, weight: weight)
            }
            var z = 0.0, likelihood = 0, total = Double(held.count)
            switch goal {
            case .pairs(let objective): likelihood = objective.likelihoodTokens(held.map { data.pairs[$0] })
            case .judged(let objective): z = try objective.divergence(of: held.map { data.mismatched[$0] })
            case .steps(let objective): total = objective.weight(of: held.map { data.stepped[$0] })
            case .reward: break
            }
            for start in stride(from: 0, to: held.count, by: 4) {
                let part = held[start..<min(start + 4, held.count)]
                switch goal {
                case .pairs(var objective):
                    objective.measuresTokens = true
                    try take(
                        objective, .init(pairs: part.map { data.pairs[$0] }, likelihoodTokens: likelihood), of: total)
                case .judged(var objective):
                    objective.measuresTokens = true
                    try take(objective, .init(part.map { data.judged[$0] }, divergence: z), of: total)
                case .reward(let objective): try take(objective, part.map { data.pairs[$0] }, of: total)
                case .steps(let objective): try take(objective, part.map { data.stepped[$0] }, of: total)
                }
            }
            return .measured(
                HeldOutMeasure(
                    loss: loss, count: Int(weights),
                    unit: data.kind == .pairs ? "pairs" : data.kind == .steps ? "steps" : "replies",
                    metrics: Self.withMargins(metrics.all)))
        }
    }
}
