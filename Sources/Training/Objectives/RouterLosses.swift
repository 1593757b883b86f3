import MartletModels
import MartletRuns
import MartletTensor

/// What the training of a mixture of experts adds to the loss of tokens, and does after a step:
///
///     L = L_tokens + balance · mean over layers of (experts · Σ f P) + z · mean over layers of mean (log Σ eˡ)²
///
/// with noise, capacity and choice of `RouterTraining`, and the selection bias of each expert moved against the step's
/// loads (`Decoder.balanceRouters`). Sources: Shazeer et al. 2017; Fedus et al. 2021; Zoph et al. 2022; Zhou et al. 2022;
/// Wang et al. 2024.
///
/// The losses are over the tokens of a micro-batch, padding left out: f P is no mean over tokens, so another number of
/// micro-batches gives slightly other steps.
public final class RouterLosses {
    public let decoder: Decoder
    /// Weights of both losses.
    public var balance = 0.0, zLoss = 0.0
    public var routing = RouterTraining()
    /// What selection biases move in a step; 0 leaves them.
    public var biasRate = 0.0
    /// Tokens of every expert in the step's micro-batches so far, of each layer with a router.
    private var loads: [Int: [Int]] = [:]
    private var dropped: [Int: Int] = [:]
    /// Loads and drops of the last whole step.
    public private(set) var lastLoads: ExpertLoads?

    /// - Returns: nil for a decoder without mixtures.
    public init?(_ decoder: Decoder) {
        guard decoder.configuration.layers.contains(where: { $0.feedForward.experts != nil }) else { return nil }
        self.decoder = decoder
    }

    /// The routing of a micro-batch.
    func routing(_ context: StepContext) -> RouterTraining {
        // Counts of a step that was left out are not those of this one.
        if context.firstToken == 0 {
            forget()
            lastLoads = nil
        }
        var own = routing
        own.step = context.step
        own.firstToken = context.firstToken
        return own
    }

    /// - Parameter rows: those without padding; nil for all.
    func record(of rows: [Int32]?) -> PassRecord {
        PassRecord(auxiliaryLosses: balance > 0, routerZLosses: zLoss > 0, of: rows)
    }

    /// The weighted losses of a micro-batch with their share of the step, and what the log is told.
    func terms(_ record: PassRecord, share: Double) throws -> (loss: Tensor?, metrics: [Metric]) {
        for (layer, counts) in record.routerLoads {
            loads[layer] = loads[layer].map { zip($0, counts).map(+) } ?? counts
        }
        for (layer, count) in record.dropped { dropped[layer, default: 0] += count }
        var total: Tensor?, metrics: [Metric] = []
        func add(_ losses: [Tensor], _ weight: Double, _ name: String) throws {
            guard weight > 0, let first = losses.first else { return }
            let mean = try losses.dropFirst().reduce(first) { try $0 + $1 } * (1 / Double(losses.count))
            metrics.append(Metric("router/" + name, try mean.detach().item(as: Double.self)))
            let term = try mean * (weight * share)
            total = try total.map { try $0 + term } ?? term
        }
        try add(record.auxiliaryLosses, balance, "balance_loss")
        try add(record.routerZLosses, zLoss, "z_loss")
        let counts = ExpertLoads(loads: record.routerLoads, dropped: record.dropped)
        metrics.append(Metric("router/largest_load", counts.largest, .largest))
        if routing.capacityFactor != nil, routing.choice == .tokens {
            metrics.append(Metric("router/dropped", counts.droppedShare))
        }
        return (total, metrics)
    }

    /// After the optimiser's step.
    /// - Parameter sum: adds up over ranks.
    func finish(_ sum: (Double) throws -> Double) throws {
        let summed = try loads.sorted { $0.key < $1.key }.map { layer, counts in
            (layer, try counts.map { Int(clamping: try sum(Double($0))) })
        }
        let whole = Dictionary(uniqueKeysWithValues: summed)
        if biasRate > 0 { try decoder.balanceRouters(whole, rate: Float(biasRate)) }
        lastLoads = ExpertLoads(loads: whole, dropped: dropped)
        forget()
    }

    /// Forgets the counts of a step that did not happen.
    func forget() {
        loads = [:]
        dropped = [:]
    }
}
