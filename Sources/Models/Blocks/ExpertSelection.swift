import MartletNN
import MartletTensor

/// Which experts process a token: those with the highest scores, among all or within the best groups.
struct ExpertSelection {
    let spec: RouterSpec
    /// Added to the probabilities for the selection.
    let bias: [Float]?

    init(_ spec: RouterSpec, bias: [Float]? = nil) { (self.spec, self.bias) = (spec, bias) }

    /// The selected experts of one token, the best first. Between equal scores the lower index is preferred.
    func experts(_ probabilities: ArraySlice<Float>) -> [Int] {
        var scores = Array(probabilities)
        if let bias { for index in scores.indices { scores[index] += bias[index] } }
        var candidates = Array(scores.indices)
        if let groups = spec.groups {
            let size = spec.count / groups.count
            let byGroup = (0..<groups.count).map { group in
                let best = scores[group * size..<(group + 1) * size].sorted(by: >)
                return groups.score == .highest ? best[0] : best.prefix(2).reduce(0, +)
            }
            let chosen = Set(Self.highest(byGroup, among: Array(byGroup.indices), count: groups.active))
            candidates = candidates.filter { chosen.contains($0 / size) }
        }
        return Self.highest(scores, among: candidates, count: spec.active)
    }

    private static func highest(_ scores: [Float], among candidates: [Int], count: Int) -> [Int] {
        Array(candidates.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }.prefix(count))
    }
}

/// The bias of each expert that is added to its probability for the selection, `[experts]`. It has no gradient: it is
/// lowered for experts with more than their share of tokens and raised for the others (Wang et al. 2024, "Auxiliary-
/// loss-free load balancing").
final class SelectionBias: ModuleLeaf {
    let path: String
    var kind: String { "selection bias" }
    private(set) var weight: Tensor
    var hooks = LeafHooks()

    init(_ source: ParameterSource, _ path: String, experts: Int) {
        self.path = path
        weight = source.parameter(path, shape: [experts], role: .bias)
        source.register(self)
    }

    var parameters: [ModuleParameter] { [ModuleParameter(path: path, role: .bias, value: weight)] }

    func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        weight = try change(parameters[0], weight)
    }

    func values() throws -> [Float] { try weight.detach().toArray(as: Float.self) }

    /// b ← b + rate · sign(mean load − load) for every expert.
    func balance(_ loads: [Int], rate: Float) throws {
        let mean = Float(loads.reduce(0, +)) / Float(max(loads.count, 1))
        let values = try values()
        let changed = zip(values, loads).map { value, load in
            Float(load) == mean ? value : value + (Float(load) < mean ? rate : -rate)
        }
        try noGrad { try weight.detach().copy(from: Tensor(changed, shape: [changed.count]).to(weight.dtype)) }
    }
}

extension Decoder {
    /// Moves the selection biases of all routers against the loads of a step, as training without auxiliary losses does:
    /// b ← b + rate · sign(mean load − load). Source: Wang et al. 2024; DeepSeek-V3 uses a rate of 0.001.
    /// - Parameter record: of the step's passes.
    public func balanceRouters(_ record: PassRecord, rate: Float = 0.001) throws {
        try balanceRouters(record.routerLoads, rate: rate)
    }

    /// The same from the tokens of every expert, by layer.
    public func balanceRouters(_ routerLoads: [Int: [Int]], rate: Float = 0.001) throws {
        let modules = predictions.enumerated().map { (configuration.layerCount + $0, $1.stack.blocks[0]) }
        for (layer, block) in stack.blocks.map({ ($0.layer, $0) }) + modules {
            guard case .experts(let mixture) = block.mixer, let bias = mixture.selectionBias,
                let loads = routerLoads[layer]
            else { continue }
            try bias.balance(loads, rate: rate)
        }
    }
}
