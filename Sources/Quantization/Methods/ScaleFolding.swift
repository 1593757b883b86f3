import MartletModels
import MartletNN
import MartletTensor

/// Layers that see the same input, and what stands before them that can take a factor of each of its numbers in: for
/// s > 0, W x = (W · diag s)(x / s), and x / s is computed by whoever made x.
struct InputGroup {
    /// Paths of the layers with this input.
    let layers: [String]
    /// The parameters whose results x are, with factors along their rows: a norm's weight and bias, or a matrix.
    let sources: [String]
    /// What is added to a norm's stored weight before use (Gemma).
    let offset: Float

    /// The groups of a decoder whose inputs can be scaled: queries, keys and values behind a norm of their own; gate and up
    /// behind theirs; the output projection behind values of as many heads; down behind up.
    ///
    /// Layers whose input others see too (routers, blocks with parts side by side) are in no group.
    static func all(of spec: DecoderConfiguration) -> [InputGroup] {
        spec.layers.enumerated().flatMap { index, layer -> [InputGroup] in
            let prefix = "model.layers.\(index).", attention = layer.attention
            var groups: [InputGroup] = []
            func norm(_ name: String, _ layers: [String]) {
                guard layer.normPlacement == .before, layer.norm.hasWeight else { return }
                groups.append(
                    InputGroup(
                        layers: layers.map { prefix + $0 },
                        sources: ["weight"] + (layer.norm.hasBias ? ["bias"] : []), path: prefix + name,
                        offset: layer.norm.weightOffset))
            }
            let gates = attention.isGated ? ["self_attn.g_proj"] : []
            if layer.withState == nil {
                norm("input_layernorm", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"] + gates)
            }
            let hasPlainValues =
                attention.latent == nil && attention.clip == nil && layer.recurrent == nil && !attention.valuesAreKeys
                && !attention.normalizesValues && attention.sharesKeysOf == nil && attention.outputNorm == nil
            if attention.heads == attention.keyValueHeads, hasPlainValues {
                groups.append(
                    InputGroup(
                        layers: [prefix + "self_attn.o_proj"],
                        sources: ["weight"] + (attention.inputBias ? ["bias"] : []), path: prefix + "self_attn.v_proj",
                        offset: 0))
            }
            guard layer.feedForward.experts == nil, layer.hasFeedForward else { return groups }
            let gate = layer.feedForward.isGated ? ["mlp.gate_proj"] : []
            norm("post_attention_layernorm", gate + ["mlp.up_proj"])
            if layer.feedForward.isGated, layer.feedForward.innerNorm == nil {
                groups.append(
                    InputGroup(
                        layers: [prefix + "mlp.down_proj"],
                        sources: ["weight"] + (layer.feedForward.bias ? ["bias"] : []), path: prefix + "mlp.up_proj",
                        offset: 0))
            }
            return groups
        }
    }

    private init(layers: [String], sources: [String], path: String, offset: Float) {
        self.layers = layers
        self.sources = sources.map { "\(path).\($0)" }
        self.offset = offset
    }
}

/// Factors that were found for the inputs of layers, applied to tensors as they are made.
struct FoldedScales {
    /// By the path of a layer: what its columns are multiplied with.
    private(set) var columns: [String: [Float]] = [:]
    /// By the name of a parameter: what its rows are divided by, and what is added before use.
    private var rows: [String: (factors: [Float], offset: Float)] = [:]

    mutating func add(_ group: InputGroup, _ factors: [Float]) {
        for layer in group.layers { columns[layer] = factors }
        for source in group.sources {
            rows[source] = (factors, source.hasSuffix(".weight") ? group.offset : 0)
        }
    }

    var isEmpty: Bool { columns.isEmpty }

    /// A parameter `name` (by the model's name for it) with its factors: W[o, i] · s[i] / t[o].
    func applied(to tensor: Tensor, parameter name: String) throws -> Tensor {
        let module = name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
        let columns = tensor.rank == 2 ? columns[module] : nil, rows = rows[name]
        guard columns != nil || rows != nil else { return tensor }
        var result = try tensor.rank == 2 ? tensor.float32Rows(0..<tensor.shape[0]) : tensor.to(.float32)
        if let columns { result = try result * Tensor(columns, shape: [1, columns.count]) }
        if let rows {
            let shape: Shape = tensor.rank == 2 ? [rows.factors.count, 1] : [rows.factors.count]
            let factors = try Tensor(rows.factors, shape: shape)
            result = try (result + rows.offset) / factors - rows.offset
        }
        return result
    }
}
