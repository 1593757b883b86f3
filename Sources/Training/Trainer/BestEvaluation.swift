import MartletJSON
import MartletSystem

/// The lowest held-out loss of a run, and how long ago it was.
public struct BestEvaluation: Sendable, Equatable {
    public private(set) var loss = Double.infinity
    public private(set) var step = 0
    /// The number of evaluations since then.
    public private(set) var looksSince = 0

    init() {}

    /// - Returns: whether `loss` is the lowest.
    mutating func take(_ loss: Double, step: Int) -> Bool {
        guard loss < self.loss else {
            looksSince += 1
            return false
        }
        (self.loss, self.step, looksSince) = (loss, step, 0)
        return true
    }

    init(_ state: JSON) {
        loss = state["best_loss"]?.double ?? .infinity
        step = state["best_step"]?.integer?.narrowed(to: RunRecord.steps) ?? 0
        looksSince = state["looks_since_best"]?.integer?.narrowed(to: RunRecord.steps) ?? 0
    }

    var state: [JSONObject.Element] {
        [
            ("best_loss", loss.isFinite ? .number(loss) : .null), ("best_step", .integer(Int64(step))),
            ("looks_since_best", .integer(Int64(looksSince))),
        ]
    }
}
