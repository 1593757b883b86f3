import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

extension ResolvedOptions {
    public var optimizerKind: OptimizerKind { OptimizerKind(rawValue: text("optimizer")) ?? .adamw }

    /// What matrices are rounded to, if at all.
    public var roundedType: DType? {
        switch text("precision") {
        case "bf16": .bfloat16
        case "fp16": .float16
        default: nil
        }
    }

    /// Whether layers keep their input alone and are computed again on the way back.
    public var recomputesLayers: Bool { text("recompute") == "layers" }

    /// The type of the saved model's matrices, as transformers names it; an average is kept in float32.
    var savedTypeName: String {
        guard number("ema") == 0 else { return "float32" }
        switch roundedType {
        case .bfloat16?: return "bfloat16"
        case .float16?: return "float16"
        default: return "float32"
        }
    }

    func optimizer(_ parameters: [Parameter]) -> any Optimizer {
        optimizerKind.make(
            parameters,
            OptimizerKind.Numbers(
                weightDecay: number("weight_decay"), beta1: number("beta1"), beta2: number("beta2"),
                epsilon: number("epsilon"), momentum: number("momentum"), nesterov: flag("nesterov")))
    }

    /// The step of a run with these options.
    func stepLoop(_ trained: [Parameter]) throws -> StepLoop {
        let loop = try StepLoop(
            trained, clip: number("clip"), precision: roundedType, averageDecay: number("ema"), optimizer: optimizer)
        loop.optimizerName = text("optimizer")
        loop.guards = StepGuards(spikeFactor: number("spike_factor"))
        return loop
    }

    func nextToken(_ decoder: Decoder) -> NextToken {
        var objective = NextToken(decoder)
        objective.smoothing = Float(number("label_smoothing"))
        objective.zLoss = Float(number("z_loss"))
        objective.dropout = number("dropout")
        objective.attentionDropout = number("attention_dropout")
        objective.seed = UInt64(integer("seed"))
        return objective
    }
}

/// What an optimiser is usually set to.
struct UsualNumbers {
    var learningRate = 0.0, weightDecay = 0.1, beta2 = 0.95, momentum = 0.9
    var origin = ""

    init(_ kind: OptimizerKind, hiddenSize: Int) {
        // The usual 1/width rule around 3e-3 at 256, for what moves every number by about the rate.
        func byWidth(_ rate: Double, _ text: String) {
            learningRate = (rate * min(2, 256 / Double(hiddenSize)) * 1e5).rounded() / 1e5
            origin = text + " × 256 / hidden_size"
        }
        switch kind {
        case .adamw: byWidth(3e-3, "3e-3")
        case .adam:
            byWidth(3e-3, "3e-3")
            // As part of the gradient a decay is divided by its size: the usual 0.1 would drown it.
            weightDecay = 0
        case .muon:
            byWidth(3e-3, "3e-3")
            momentum = 0.95
        case .lion:
            byWidth(3e-4, "3e-4")
            beta2 = 0.99
            weightDecay = 1
        case .rmsprop:
            byWidth(1e-3, "1e-3")
            beta2 = 0.99
            momentum = 0
            weightDecay = 0
        case .sgd:
            learningRate = 0.1
            origin = "the usual of sgd"
            weightDecay = 0
        case .adafactor:
            learningRate = 0.02
            origin = "the usual of adafactor, relative to the weights"
            weightDecay = 0
        }
    }
}
