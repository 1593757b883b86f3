import MartletData
import MartletJSON
import MartletModels
import MartletRuns
import MartletTensor

/// What a run learns of rows of texts that lie in memory, some of them held out.
protocol TextRowGoal {
    associatedtype Row
    associatedtype Goal: Objective
    var objective: Goal { get }
    /// What is learnt, then what is held out.
    var rows: [Row] { get }
    var trainingCount: Int { get }
    /// Identifies the rows: their number and a hash.
    var fingerprint: String { get }
    /// What a run depends on beside its model and options, by the names that trainer_state.json has for it.
    var state: [JSONObject.Element] { get }
    func tokenCount(of row: Row) -> Int
    /// The micro-batches of a step, and metrics of the step as a whole.
    func batches(_ parts: [[Row]], step: Int) throws -> (batches: [Goal.Batch], metrics: [Metric])
    /// Looks at held-out rows; gradients are off.
    /// - Parameter rowsPerStep: of training, for a loss whose size depends on how many rows there are.
    func measure(_ held: [Row], rowsPerStep: Int) throws -> HeldOutMeasure
}

/// Rows of texts with their labels, partners or scores. The rows of a step follow from its number and the seed.
final class TextRowSource<Goal: TextRowGoal>: TrainingSource {
    let files: ModelFolderFiles
    let looksFirst = true
    let notes: [String]
    private let goal: Goal
    private let from: String
    private let rows: StepRows
    private let microBatches: Int, evaluationRows: Int

    /// - Parameter path: of the model that training goes on from.
    init(_ goal: Goal, files: ModelFolderFiles, from path: String, notes: [String], _ options: RunOptions) {
        (self.goal, self.files, from, self.notes) = (goal, files, path, notes)
        rows = StepRows(count: goal.trainingCount, perStep: options.rows.perStep, seed: options.general.randomSeed)
        microBatches = options.compute.microBatches
        evaluationRows = options.evaluation.rows
    }

    var fingerprint: String { goal.fingerprint }
    var state: [JSONObject.Element] { [("from", .string(from))] + goal.state }
    func demand(_ checkpoint: TrainingCheckpoint) throws { try checkpoint.demandSame(state) }
    func whyLeftOut(step: Int) -> String { "it has no row" }

    func take(_ loop: StepLoop, step: Int, rate: Double) throws -> SourceStep? {
        let numbers = rows(step), parts = numbers.parts(microBatches).map { $0.map { goal.rows[$0] } }
        var metrics: [Metric] = []
        let outcome = try loop.step(
            goal.objective, number: step, rate: rate,
            data: { "the step's rows are \(numbers.prefix(8).map(String.init).joined(separator: ", "))" }
        ) {
            let made = try goal.batches(parts, step: step)
            metrics = made.metrics
            return made.batches
        }
        guard var outcome else { return nil }
        outcome.metrics += metrics
        return SourceStep(
            outcome: outcome, tokens: numbers.reduce(0) { $0 + goal.tokenCount(of: goal.rows[$1]) })
    }

    func look() throws -> Look? {
        let held = Array(goal.rows[goal.trainingCount...].prefix(evaluationRows))
        guard !held.isEmpty else { return nil }
        return try noGrad { .measured(try goal.measure(held, rowsPerStep: rows.perStep)) }
    }
}

/// The rows of a step: epoch after epoch, each in an order of its own, which follows from the seed.
struct StepRows {
    let count, perStep: Int
    let seed: UInt64

    func callAsFunction(_ step: Int) -> [Int] {
        (0..<perStep).map { place in
            let index = step * perStep + place, epoch = UInt64(index / count)
            return KeyedPermutation(count: count, key: seed &+ epoch &* 0x9E37_79B9_7F4A_7C15)(index % count)
        }
    }
}

extension Array {
    /// So many parts of about equal size, in order; fewer where there are fewer elements.
    func parts(_ count: Int) -> [ArraySlice<Element>] {
        let count = Swift.min(count, self.count)
        return (0..<count).map { self[self.count * $0 / count..<self.count * ($0 + 1) / count] }
    }

    /// Parts in order that have at most so many tokens each, or one element.
    func passes(of most: Int = 4096, tokens: (Element) -> Int) -> [ArraySlice<Element>] {
        var parts: [ArraySlice<Element>] = [], start = 0, count = 0
        for (index, element) in enumerated() {
            let own = tokens(element)
            if index > start, count + own > most {
                parts.append(self[start..<index])
                (start, count) = (index, 0)
            }
            count += own
        }
        return start < self.count ? parts + [self[start...]] : parts
    }
}
