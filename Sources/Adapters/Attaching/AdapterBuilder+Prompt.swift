import MartletModels
import MartletNN
import MartletTensor

extension AdapterBuilder {
    /// Virtual tokens before every text.
    mutating func buildPrompt() throws {
        guard let decoder = base.decoder else { return }
        let count = configuration.virtualTokens, spec = decoder.configuration, stored = "prompt_embeddings"
        guard count > 0, count < spec.contextLength else {
            throw AdapterError(
                .configuration, "\(count) learnt tokens do not fit a context of \(spec.contextLength) tokens")
        }
        if configuration.kind == .prefix { return try buildPrefix(decoder, stored) }
        let hidden = spec.hiddenSize
        if configuration.kind == .promptEncoder, !source.has(stored) { return try buildEncoder(decoder, stored) }
        let table = try source.tensor(stored, shape: [count, hidden], order: nil) {
            // As rows of the vocabulary, which the model knows how to read (Lester et al. 2021, section 3.2).
            var random = RandomStream(seed: seed, stream: 0x7072_6f6d)
            let ids = (0..<count).map { _ in Int32(random.nextIndex(below: spec.vocabularySize)) }
            return try noGrad { try decoder.embedded(ids) }
        }
        tensors.append(AdapterTensor(stored, table))
        promptParameters.append(Parameter(name: stored, role: .embedding, tensor: table))
        prompt = VirtualPrompt(count: count, .embeddings { table })
    }

    private mutating func buildPrefix(_ decoder: Decoder, _ stored: String) throws {
        let spec = decoder.configuration, count = configuration.virtualTokens
        let widths = Set(spec.layers.flatMap { [$0.attention.keyWidth, $0.attention.valueWidth] })
        guard widths.count == 1, let width = widths.first, !spec.hasStates else {
            throw AdapterError(
                .unsupported, "prefix tuning is for models whose layers have keys and values of one width")
        }
        let shape: Shape = [count, spec.layerCount * 2 * width]
        let table = try source.tensor(stored, shape: shape, order: nil) {
            Initializer(.normal(deviation: 0.02, layers: 1), seed: seed).parameter(stored, shape: shape, role: .weight)
        }
        tensors.append(AdapterTensor(stored, table))
        promptParameters.append(Parameter(name: stored, role: .embedding, tensor: table))
        let order = keyOrder(decoder, width)
        prompt = VirtualPrompt(
            count: count,
            .keysAndValues {
                guard let order else { return table }
                return try table.indexSelect(1, Tensor(order))
            })
    }

    /// The place in the files of each element of the keys and values of all layers, where a conversion to GGUF permuted
    /// the rows of keys; nil where nothing is permuted, which in families whose folders are interleaved it is not.
    private func keyOrder(_ decoder: Decoder, _ width: Int) -> [Int64]? {
        guard Family.named(decoder.configuration.family)?.interleavesInGGUF ?? false else { return nil }
        var order: [Int64] = [], isOther = false
        for (layer, spec) in decoder.configuration.layers.enumerated() {
            let first = Int64(2 * layer * width)
            var keys = (0..<Int64(width)).map { first + $0 }
            if spec.attention.rotary?.layout == .interleaved {
                isOther = true
                for (row, own) in RowOrder(interleaved: width, head: spec.attention.headDimension).published
                    .enumerated()
                { keys[Int(own)] = first + Int64(row) }
            }
            order += keys + (0..<Int64(width)).map { first + Int64(width) + $0 }
        }
        return isOther ? order : nil
    }

    /// P-tuning: embeddings through three layers with ReLU between them; what they give is what is stored.
    private mutating func buildEncoder(_ decoder: Decoder, _ stored: String) throws {
        let count = configuration.virtualTokens, hidden = decoder.configuration.hiddenSize
        let inner = configuration.encoderSize ?? hidden
        let uniform = Initializer(.kaimingUniform, seed: seed)
        func made(_ name: String, _ shape: Shape, _ role: ParameterRole) throws -> Tensor {
            let initializer =
                role == .embedding ? Initializer(.normal(deviation: 1, layers: 1), seed: seed) : uniform
            return try initializer.parameter("prompt_encoder." + name, shape: shape, role: role).requiringGrad()
        }
        let table = try made("embedding.weight", [count, hidden], .embedding)
        var layers: [(weight: Tensor, bias: Tensor)] = []
        for (index, (from, to)) in [(hidden, inner), (inner, inner), (inner, hidden)].enumerated() {
            let weight = try made("mlp_head.\(2 * index).weight", [to, from], .weight)
            let bias = try made("mlp_head.\(2 * index).bias", [to], .bias)
            layers.append((weight, bias))
            promptParameters += [
                Parameter(name: "prompt_encoder.mlp_head.\(2 * index).weight", role: .weight, tensor: weight),
                Parameter(name: "prompt_encoder.mlp_head.\(2 * index).bias", role: .bias, tensor: bias),
            ]
        }
        promptParameters.append(Parameter(name: "prompt_encoder.embedding.weight", role: .embedding, tensor: table))
        let embeddings: () throws -> Tensor = {
            var x = table  // [count, hidden]
            for (index, layer) in layers.enumerated() {
                x = try Fused.linear(x, [(layer.weight, layer.bias)])[0]
                if index < 2 { x = try x.relu() }
            }
            return x
        }
        var entry = AdapterTensor(stored, table)
        entry.made = embeddings
        tensors.append(entry)
        prompt = VirtualPrompt(count: count, .embeddings(embeddings))
    }
}
