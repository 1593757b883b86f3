import MartletSystem
import MartletTensor

/// How a step is computed: options for memory and precision.
public struct ComputeOptions: Sendable, Equatable {
    public enum Recompute: String, Sendable, CaseIterable, OptionValue { case none, layers }
    public enum Precision: String, Sendable, CaseIterable, OptionValue { case fp32, bf16, fp16 }

    public internal(set) var microBatches = 1
    public internal(set) var recompute = Recompute.none
    public internal(set) var precision = Precision.fp32

    /// The type that matrices are rounded to, if any.
    public var roundedType: DType? {
        switch precision {
        case .fp32: nil
        case .bf16: .bfloat16
        case .fp16: .float16
        }
    }
}

extension OptionPart {
    static let compute = OptionPart(
        "Computing",
        [
            .integer(
                "micro_batches", \.compute.microBatches, 1...65_536,
                "Parts a step's rows are computed in, to save memory (gradient accumulation).", resume: .told,
                others: "grad_accum gradient_accumulation gradient_accumulation_steps accumulation grad_accum_steps "
                    + "micro_batch micro_batch_size accumulate",
                default: .from { facts in
                    let rows = facts.run.rows
                    guard rows.perStep > 0 else { return (nil, "8192 tokens each") }
                    let parts = rows.perStep.multiplied(clampedBy: rows.length) / 8192
                    return (max(1, min(parts, rows.perStep)), "8192 tokens each")
                }),
            .choice(
                "recompute", \.compute.recompute,
                "What the way back computes again to save memory: nothing, or every layer from its input, for a third "
                    + "more time.", resume: .free, shown: true,
                others: "gradient_checkpointing activation_checkpointing use_gradient_checkpointing "
                    + "checkpoint_activations remat", default: .value(.none)),
            .choice(
                "precision", \.compute.precision,
                "What matrices and their gradients are rounded to, around float32 masters.", shown: true,
                others: "dtype bf16 fp16 amp torch_dtype mixed_precision type", default: .value(.fp32)),
        ]
    ) { (run, _) throws(TrainingError) in
        let rows = run.rows.perStep, parts = run.compute.microBatches
        guard rows == 0 || parts <= rows else {
            throw TrainingError(
                .configuration,
                "batch_rows \(rows) does not make \(parts) micro-batches of a row or more")
        }
    }
}
