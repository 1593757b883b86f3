import MartletTensor
import Synchronization

/// y + s · (x Aᵀ) Bᵀ with A `[rank, in]` and B `[out, rank]`: adds s · B A to W (LoRA, Hu et al. 2021).
///
/// s is α / rank, or α / √rank (rsLoRA, Kalajdzievski 2023) for high ranks. A is initialised with U(±1/√in), as in
/// PEFT, and B with 0, so that a new adapter changes nothing. In training, dropout may be applied to x before A.
///
/// ```swift
/// for case let layer as Linear in try model.tree.find("q_proj") {
///     layer.adapters.append(try LowRankAdapter(of: layer, rank: 16, scale: 2, seed: 0))
/// }
/// ```
public final class LowRankAdapter: LinearAdapter {
    public let name: String
    public var isEnabled = true
    /// s; a change takes effect in the next pass.
    public var scale: Float
    /// A, `[rank, in]`, and B, `[out, rank]`; of the joined matrix where the layer is a part of one.
    public let down, up: Tensor
    public let dropout: Double
    private let path, key: String
    private let part: JoinedPart?
    /// The initial A₀ and B₀ where B₀ is not 0: s · B₀ A₀ is subtracted again, so that W needs no change (PiSSA, Meng
    /// et al. 2024). In files the adapter has twice the rank: [A; A₀] and [B, −B₀].
    package var origin: (down: Tensor, up: Tensor)? { didSet { kept.withLock { $0 = nil } } }
    /// The term as fast products take it, and what it was made of.
    private let kept = Mutex<(terms: PackedLowRankTerms, versions: [Int], scale: Float)?>(nil)

    /// A new adapter.
    /// - Parameter seed: initialises A together with the path of the layer, so that A does not depend on other
    ///   adapters.
    public convenience init(
        of layer: Linear, rank: Int, scale: Float, seed: UInt64, name: String = "default"
    ) throws {
        let source = Initializer(.kaimingUniform, seed: seed)
        let inputs = layer.inputSize
        let down = source.parameter(layer.path + ".lora_A.weight", shape: [rank, inputs], role: .weight)
        try self.init(
            of: layer, down: down.requiringGrad(), up: Tensor.zeros([layer.outputSize, rank]).requiringGrad(),
            scale: scale, name: name)
    }

    /// An adapter with given A and B.
    /// - Parameters:
    ///   - part: the rows of B for this layer, where A and B belong to a joined matrix.
    ///   - key: the prefix of the parameter names; nil for the path of the layer.
    /// - Throws: `ModuleError.wrongShape` when A or B does not fit the layer.
    public init(
        of layer: Linear, down: Tensor, up: Tensor, scale: Float, dropout: Double = 0, part: JoinedPart? = nil,
        key: String? = nil, name: String = "default"
    ) throws {
        let rank = down.shape.first ?? 0
        let fits =
            part.map { $0.fits(up.shape.first ?? 0, outputs: layer.outputSize) }
            ?? (up.shape.first == layer.outputSize)
        guard down.shape == [rank, layer.inputSize], up.shape == [up.shape.first ?? 0, rank], fits else {
            throw ModuleError.wrongShape(
                path: layer.path, found: "\(down.shape) and \(up.shape)",
                expected: "[rank, \(layer.inputSize)] and [\(layer.outputSize), rank]")
        }
        (self.down, self.up, self.scale, self.dropout) = (down, up, scale, dropout)
        (self.name, self.part, path, self.key) = (name, part, layer.path, key ?? layer.path)
    }

    public var parameters: [Parameter] {
        guard part.ownsParameters else { return [] }
        return [
            Parameter(name: key + ".lora_A.weight", role: .weight, tensor: down),
            Parameter(name: key + ".lora_B.weight", role: .weight, tensor: up),
        ]
    }

    public func term(_ draw: AdapterDraw?) throws -> LowRankTerm? {
        guard dropout == 0 || draw == nil else { return nil }
        let (down, up) = try whole()
        return LowRankTerm(down: down, up: try part.rows(of: up), scale: scale)
    }

    /// The term as codes of 8 bits, as sets of adapters have it beside products that are not exact; nil for one that is trained.
    /// - Parameter term: what `term` gives now.
    func packed(_ term: LowRankTerm) throws -> PackedLowRankTerms? {
        guard !down.requiresGrad, !up.requiresGrad, PackedLowRankTerms.takes(term) else { return nil }
        let versions = [down.storage.version, up.storage.version]
        return try kept.withLock { kept in
            if let kept, kept.versions == versions, kept.scale == scale { return kept.terms }
            let terms = try noGrad { try PackedLowRankTerms([term], areCoded: [true]) }
            kept = (terms, versions, scale)
            return terms
        }
    }

    /// A and B in the form of files: with −A₀ and B₀ appended where there is an `origin`.
    package func whole() throws -> (down: Tensor, up: Tensor) {
        guard let origin else { return (down, up) }
        return (
            try Tensor.concatenate([down, origin.down]), try Tensor.concatenate([up, origin.up.negative()], axis: 1)
        )
    }

    public func callAsFunction(_ x: Tensor, _ y: Tensor, _ draw: AdapterDraw?) throws -> Tensor {
        try Fused.add(y, update(x, draw))
    }

    /// s · (x Aᵀ) Bᵀ, `[tokens, out]`.
    func update(_ x: Tensor, _ draw: AdapterDraw?) throws -> Tensor {
        var x = x
        if dropout > 0, let draw { x = try draw.dropped(x, dropout, path: path) }
        let (down, up) = try whole()
        let inner = try Fused.linear(x, [(down, nil)])[0]  // [tokens, rank]
        let scaled = scale == 1 ? inner : try inner * Double(scale)
        return try Fused.linear(scaled, [(part.rows(of: up), nil)])[0]  // [tokens, out]
    }

    /// W + s B A.
    public func merged(_ weight: Tensor, bias: Tensor?) throws -> (weight: Tensor, bias: Tensor?) {
        let (down, up) = try whole()
        return (try weight + part.rows(of: up).matmul(down) * Double(scale), bias)
    }
}
