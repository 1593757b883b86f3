import MartletJSON

/// Stops a run before a broken step reaches the parameters: numbers that are none, and gradients that leap.
public struct StepGuards: Sendable, Equatable {
    /// How many times the usual gradient norm one may be, as far as clipping lets it through.
    public var spikeFactor: Double
    private var norms: [Double] = []
    /// Of the last steps, for the usual loss that a checkpoint says.
    private var losses: [Double] = []

    public init(spikeFactor: Double) { self.spikeFactor = spikeFactor }

    /// The middle of the last five steps' losses.
    var usualLoss: Double? { losses.isEmpty ? nil : losses.sorted()[losses.count / 2] }

    /// Looks at a step before the optimiser takes it.
    /// - Parameters:
    ///   - number: of the step, from 1. - data: what the step was computed from, as "the step's rows begin with …".
    /// - Throws: `TrainingError` for numbers that are none, or a leap.
    mutating func check(
        step number: Int, loss: Double, norm: Double, clip: Double, data: () -> String?
    ) throws(TrainingError) {
        guard loss.isFinite, norm.isFinite else {
            throw TrainingError(
                .numbers,
                "step \(number): the loss is \(loss), the gradient norm \(norm)\(Self.clause(data())); lower "
                    + "learning_rate, or look at these")
        }
        // A norm beyond `clip` is scaled down to it, and one of 1, which clipping usually leaves, does no harm however
        // small the usual one has become: what is left is a leap under a clip so high that it does not clip.
        let usual = norms.isEmpty ? norm : norms.sorted()[norms.count / 2]
        if norms.count >= 50, min(norm, clip) > spikeFactor * max(usual, 1) {
            throw TrainingError(
                .numbers,
                "step \(number): the gradient norm leapt to \(norm) from a median of \(usual)\(Self.clause(data())); lower "
                    + "clip, which may be changed on resume, or raise spike_factor")
        }
        norms.append(norm)
        if norms.count > 100 { norms.removeFirst() }
    }

    private static func clause(_ text: String?) -> String { text.map { "; " + $0 } ?? "" }

    /// Notes the loss of a step that was taken.
    mutating func took(loss: Double) {
        losses.append(loss)
        if losses.count > 5 { losses.removeFirst() }
    }

    /// For trainer_state.json.
    var state: [JSONObject.Element] {
        [
            ("recent_norms", .array(norms.map { .number($0) })),
            ("recent_loss", usualLoss.map { .number($0) } ?? .null),
        ]
    }

    mutating func restore(_ state: JSON) {
        norms = state["recent_norms"]?.array?.compactMap(\.double).suffix(100) ?? []
        losses = state["recent_loss"]?.double.map { [$0] } ?? []
    }
}
