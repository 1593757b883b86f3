import MartletSystem
import MartletTensor

/// How a step is computed: options for memory and precision.
public struct ComputeOptions: Sendable, Equatable {
    public enum Recompute: String, Sendable, CaseIterable, OptionValue { case none, layers }
    public enum Precision: String, Sendable, CaseIterable, OptionValue { case fp32, bf16, fp16 }

    public internal(set) var microBatches = 1
    public internal(set) var recompute = Recompute.none
    public internal(set) var precision = Precision.fp32
    public internal(set) var matmulPrecision = MatmulPrecision.highest
    /// What matrices of layers are rounded to in quantisation-aware training.
    public enum QuantizationAware: String, Sendable, CaseIterable, OptionValue { case none, int8, int4, ternary }
    public internal(set) var quantizationAware = QuantizationAware.none
    public internal(set) var quantizationGroup = 32
    public enum RoundedInputs: String, Sendable, CaseIterable, OptionValue { case none, int8 }
    public internal(set) var quantizedInputs = RoundedInputs.none
    /// Whether the inputs of layers are rounded to eight bits with their matrices.
    var roundsInputs: Bool { quantizationAware != .none && quantizedInputs == .int8 }

    /// The type that matrices are rounded to, if any.
    public var roundedType: DType? {
        switch precision {
        case .fp32: nil
        case .bf16: .bfloat16
        case .fp16: .float16
        }
    }

    /// What matrices are rounded to around float32 masters, if at all.
    var rounding: WeightRounding? {
        switch quantizationAware {
        case .none: roundedType.map { .type($0) }
        case .int8: quantizationGroup == 0 ? .outputs : .grid(bits: 8, group: quantizationGroup)
        case .int4: .grid(bits: 4, group: quantizationGroup)
        case .ternary: .ternary
        }
    }
}

extension OptionDefault<Int> {
    /// For `micro_batches`: a step's rows in as many parts as it takes for none to have more tokens. Memory holds the
    /// activations of one part; what is learnt and how fast stay as they are, but for the order of sums.
    /// - Parameters:
    ///   - sequences: of a row.
    ///   - length: tokens of each.
    static func microBatches(
        ofTokens tokens: Int, sequences: Int = 1,
        length: @escaping @Sendable (OptionFacts) -> Int = { $0.run.rows.length }
    ) -> Self {
        let how = "\(tokens) tokens each at most"
        return .from { facts in
            let rows = facts.run.rows
            guard rows.perStep > 0, rows.length > 0 else { return (nil, how) }
            let together = max(1, tokens / max(1, length(facts).multiplied(clampedBy: sequences)))
            return ((rows.perStep - 1) / together + 1, how)
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
            .choice(
                "matmul_precision", \.compute.matmulPrecision,
                "What a step's matrix products are computed in: float32 (highest), sums of two bfloat16 numbers (high, 16 bits "
                    + "of 24), or bfloat16 (medium); high and medium are for processors with AMX.", resume: .told,
                shown: true,
                others: "float32_matmul_precision fp32_precision", default: .value(.highest)),
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

extension OptionPart {
    /// Quantisation-aware training.
    static let quantization = OptionPart(
        "Quantisation",
        [
            .choice(
                "qat", \.compute.quantizationAware,
                "What the layers' matrices are rounded to while they are trained, by the straight-through estimator: int8, "
                    + "int4, or ternary (-1, 0, 1: 1.58 bits, an experiment). The saved model is the rounded one.",
                shown: true, others: "quantization_aware quantization_aware_training", default: .value(.none)),
            .integer(
                "qat_group", \.compute.quantizationGroup, 0...65_536,
                "Inputs that share a scale in qat's int8 and int4; 32 is what Q8_0 and Q4_0 have, and 0 stands for all "
                    + "inputs of an output, as int8 folders have them.",
                others: "qat_group_size", default: .value(32)),
            .choice(
                "qat_activations", \.compute.quantizedInputs,
                "What inputs of the layers that qat rounds are rounded to, each token with a scale of its own: int8 is what "
                    + "run --int8-inputs computes with qat int8 and qat_group 0, and, with qat ternary, BitNet b1.58.",
                others: "activation_quantization quantize_activations", default: .value(.none)),
        ]
    ) { (run, _) throws(TrainingError) in
        guard run.compute.quantizationAware != .none else {
            guard run.compute.quantizedInputs == .none else {
                throw TrainingError(
                    .configuration, "qat_activations rounds the inputs of layers that qat rounds: say what qat is")
            }
            return
        }
        let group = run.compute.quantizationGroup
        guard group >= 8 || (group == 0 && run.compute.quantizationAware != .int4) else {
            throw TrainingError(
                .configuration,
                "qat_group is \(group): groups have 8 inputs or more, and one scale for each output (0) is int8's alone"
            )
        }
        guard run.compute.precision == .fp32 else {
            throw TrainingError(
                .configuration,
                "qat rounds matrices around float32 masters, and so does precision \(run.compute.precision.rawValue): leave "
                    + "precision at fp32")
        }
        guard !run.adapter.isOn else {
            throw TrainingError(
                .configuration,
                "qat trains the model's matrices, which adapter \(run.adapter.method.rawValue) leaves as they are: say adapter "
                    + "none, or tune the adapter on a quantised model")
        }
    }
}

extension MatmulPrecision: OptionValue {}
