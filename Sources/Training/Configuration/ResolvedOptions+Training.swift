import MartletModels
import MartletNN
import MartletTensor

/// What training takes from the options.
extension ResolvedOptions {
    public var recomputesLayers: Bool { run.compute.recompute == .layers }

    /// Has a decoder's layers computed again on the way back, where that is asked for.
    /// - Throws: `TrainingError` where its layers cannot be computed each for itself.
    func recompute(_ decoder: Decoder) throws {
        guard !recomputesLayers || decoder.layersAreIndependent else {
            throw TrainingError(
                .configuration,
                "recompute: the layers of this model share keys and values or have inputs of their own, so none can be computed again alone; leave recompute out"
            )
        }
        decoder.recomputesLayers = recomputesLayers
    }

    /// The type of the saved model's matrices, as transformers names it; an average is kept in float32.
    var savedTypeName: String {
        guard run.optimizer.averageDecay == 0 else { return "float32" }
        switch run.compute.roundedType {
        case .bfloat16?: return "bfloat16"
        case .float16?: return "float16"
        default: return "float32"
        }
    }

    /// Creates the step loop of a run with these options.
    /// - Throws: `TrainingError` where this processor has no unit for its products.
    func stepLoop(_ trained: [Parameter]) throws -> StepLoop {
        let precision = run.compute.matmulPrecision
        guard precision.isAvailable else {
            throw TrainingError(
                .configuration,
                "matmul_precision \(precision.rawValue) needs a processor that multiplies tiles of bfloat16 (AMX: Intel Xeon "
                    + "from Sapphire Rapids on), which this one does not; leave it at highest")
        }
        let options = run.optimizer
        var numbers = options.numbers
        numbers.projection.seed = run.general.randomSeed
        let layers = LayerDecay(options.layerDecay, trained.map(\.name))
        let loop = try StepLoop(
            trained, clip: options.clip, rounding: run.compute.rounding, averageDecay: options.averageDecay
        ) { options.kind.make($0, numbers) { run.adapter.rate($0) * layers.rate(of: $0.name) } }
        loop.optimizerName = options.kind.rawValue
        loop.matmulPrecision = precision
        loop.guards = StepGuards(spikeFactor: options.spikeFactor)
        return loop
    }

    /// What replies are worth, by the options; reward models that are adapters find their base as the model does.
    func rewardSum(_ model: StartingModel) throws -> RewardSum {
        try RewardSum(run.rewards.reward, seconds: run.rewards.programSeconds, locate: model.locate)
    }

    func nextToken(_ decoder: Decoder) -> NextToken {
        var objective = NextToken(decoder)
        objective.smoothing = Float(run.loss.labelSmoothing)
        objective.zLoss = Float(run.loss.zLoss)
        objective.dropout = run.loss.dropout
        objective.attentionDropout = run.loss.attentionDropout
        objective.seed = run.general.randomSeed
        objective.embeddingNoise = run.loss.embeddingNoise
        objective.predictionWeight = run.loss.predictionWeight
        if let losses = RouterLosses(decoder) {
            losses.balance = run.router.balance
            losses.zLoss = run.router.zLoss
            losses.biasRate = run.router.biasRate
            losses.routing.seed = run.general.randomSeed
            losses.routing.noise = run.router.noise
            losses.routing.choice = run.router.choice
            losses.routing.capacityFactor = run.router.capacityFactor > 0 ? run.router.capacityFactor : nil
            objective.routers = losses
        }
        return objective
    }
}

extension AdapterOptions {
    /// The factor on a parameter's learning rate: LoRA+ (Hayou et al. 2024) lets B learn faster than A.
    func rate(_ parameter: Parameter) -> Double {
        let isUp = parameter.name.hasSuffix(".lora_B.weight") || parameter.name.hasSuffix(".lora_embedding_B")
        return isUp ? plusRatio : 1
    }
}
