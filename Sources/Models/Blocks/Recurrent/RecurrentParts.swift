import MartletNN
import MartletTensor

extension RecurrentSpec {
    /// The layer's mixer of tokens.
    func mixer(_ source: ParameterSource, _ name: String, layer: Int, hidden: Int) -> any SelfAttention {
        switch self {
        case .shortConvolution(let spec): ShortConvolution(source, name, layer: layer, spec, hidden: hidden)
        case .selectiveScan(let spec): SelectiveScan(source, name, layer: layer, spec, hidden: hidden)
        case .stateSpace(let spec): StateSpace(source, name, layer: layer, spec, hidden: hidden)
        case .gatedDelta(let spec): GatedDelta(source, name, layer: layer, spec, hidden: hidden)
        }
    }
}

/// A causal convolution of single channels: weight `[channels, 1, width]`, bias `[channels]`.
final class CausalConvolution: ModuleLeaf {
    let path: String
    var kind: String { "convolution" }
    private(set) var weight: Tensor
    private(set) var bias: Tensor?
    var hooks = LeafHooks()
    private var single: Tensor?

    /// - Parameter rule: how its weights begin where they do not follow the scheme of matrices.
    init(_ source: ParameterSource, _ path: String, _ spec: ConvolutionSpec, rule: InitialRule? = nil) {
        self.path = path
        let role = rule.map { ParameterRole.ruled($0, as: .weight) } ?? .weight
        weight = source.parameter(path + ".weight", shape: [spec.channels, 1, spec.width], role: role)
        bias = spec.hasBias ? source.parameter(path + ".bias", shape: [spec.channels], role: .bias) : nil
        source.register(self)
    }

    var parameters: [ModuleParameter] {
        [ModuleParameter(path: path + ".weight", role: .weight, value: weight)]
            + (bias.map { [ModuleParameter(path: path + ".bias", role: .bias, value: $0)] } ?? [])
    }

    func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        for parameter in parameters {
            if parameter.role == .bias {
                bias = try bias.map { try change(parameter, $0) }
            } else {
                weight = try change(parameter, weight)
            }
        }
        single = nil
    }

    /// `[tokens, channels]` -> same.
    func callAsFunction(_ x: Tensor, _ sequences: [RecurrentRows]) throws -> Tensor {
        let result = try Fused.causalConvolution(x, taps(like: x), bias, sequences)  // [tokens, channels]
        return hooks.isEmpty ? result : try hooks(result, of: path)
    }

    /// The weights as the operation takes them: files may hold 16 bits.
    private func taps(like x: Tensor) throws -> Tensor {
        guard weight.dtype != x.dtype else { return weight }
        if let single, single.dtype == x.dtype, !weight.requiresGrad { return single }
        let converted = try weight.to(x.dtype)
        single = converted
        return converted
    }
}

/// One parameter that is no matrix of a linear layer: steps' biases, decays, factors of skips.
final class RecurrentParameter: ModuleLeaf {
    let path: String
    var kind: String { "recurrence" }
    private(set) var value: Tensor { didSet { derived = nil } }
    var hooks = LeafHooks()
    private var derived: Tensor?

    init(_ source: ParameterSource, _ path: String, shape: Shape, _ rule: InitialRule) {
        self.path = path
        value = source.parameter(path, shape: shape, role: .ruled(rule, as: .bias))
        source.register(self)
    }

    var parameters: [ModuleParameter] { [ModuleParameter(path: path, role: .bias, value: value)] }

    func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        value = try change(parameters[0], value)
    }

    /// A = −e^value, of a matrix `[channels, rows]` transposed. Kept where nothing is trained.
    func decay(like x: Tensor) throws -> Tensor {
        if let derived, derived.dtype == x.dtype { return derived }
        let rates = try value.to(x.dtype).exp().negative()
        let result = try rates.rank == 2 ? rates.transposed().contiguous() : rates
        if !value.requiresGrad { derived = result }
        return result
    }
}

extension PassContext {
    /// The rows of every sequence, with the part of its state of a layer that begins at `offset`. Where gradients are
    /// recorded in a pass whose caches are thrown away, sequences are whole.
    func recurrentRows(layer: Int, at offset: Int = 0, of inputs: [Tensor]) -> [RecurrentRows] {
        guard isCached, !(isTransient && Tensor.isRecording(inputs)) else {
            return segments.map { RecurrentRows(rows: $0) }
        }
        return sequences.map { RecurrentRows(rows: $0.rows, state: $0.cache.state(layer: layer, at: offset)) }
    }

    /// - Throws: `TensorError` where the pass asks for what a layer with a state cannot do.
    func checkRecurrent() throws {
        guard !hasMasks else {
            throw TensorError(
                .argument, "recurrent layer",
                "a state is made of the tokens before, in order: masks of a sequence's own have no meaning here")
        }
        guard virtual?.replacesKeys != true else {
            throw TensorError(
                .argument, "recurrent layer",
                "a prefix of keys and values has no form as a state: tune the prompt's embeddings instead")
        }
    }
}
