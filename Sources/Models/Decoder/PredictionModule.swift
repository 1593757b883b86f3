import MartletNN
import MartletTensor

/// A module that predicts one token more than the decoder, or than the module before it (DeepSeek-AI 2024, "DeepSeek-V3",
/// section 2.2):
///
///     h'ᵢ = block(M [norm(E(tᵢ₊₁)); norm(hᵢ)])        p(tᵢ₊₂) = softmax(head(norm(h'ᵢ)))
///
/// h are the decoder's normalised states, or the states of the module before; E and the head are the decoder's own. The block
/// is made like the decoder's last one. In files it is the layer behind the last.
final class PredictionModule {
    let embeddingNorm, hiddenNorm, outputNorm: Norm
    let projection: Linear
    let stack: BlockStack

    init(_ source: ParameterSource, layer: Int, _ spec: DecoderConfiguration) {
        let name = "model.layers.\(layer)", width = spec.hiddenSize
        embeddingNorm = Norm(source, name + ".enorm", spec.norm, size: width)
        hiddenNorm = Norm(source, name + ".hnorm", spec.norm, size: width)
        projection = Linear(source, name + ".eh_proj", from: 2 * width, to: width)
        stack = BlockStack(
            source, "model.layers", [spec.layers[spec.layerCount - 1]], hidden: width, numberedFrom: layer)
        outputNorm = Norm(source, name + ".shared_head.norm", spec.norm, size: width)
    }
}

extension Decoder {
    /// The states of a module of multi-token prediction, `[tokens, hidden]`; `predictionLogits` makes logits of them.
    /// - Parameters:
    ///   - hidden: `[tokens, hidden]`: the decoder's states, or those of the module before.
    ///   - next: the token that follows each row: of the module's number more places.
    ///   - module: its number, from 0.
    ///   - pass: of the same rows; caches are the module's own (`predictionCache`).
    package func predicted(_ hidden: Tensor, next: [Int32], module: Int, _ pass: Pass) throws -> Tensor {
        let own = predictions[module]
        var pass = pass
        // Its block is number 0 of its own stack: other draws than those of the decoder's first layer.
        pass.dropout?.seed ^= UInt64(module + 1) << 32
        pass.routing?.seed ^= UInt64(module + 1) << 32
        let context = try PassContext(pass, tokens: next.count, own.stack, limit: nil)
        let embedded = try own.embeddingNorm(embedded(next))  // [tokens, hidden]
        let joined = try Tensor.concatenate([embedded, own.hiddenNorm(hidden)], axis: 1)  // [tokens, 2 * hidden]
        let states = try own.stack(own.projection(joined, context.adapters), context)  // [tokens, hidden]
        for sequence in context.sequences { sequence.cache.advance(by: sequence.rows.count) }
        return states
    }

    /// A module's states as the head takes them: `[rows, hidden]` -> same.
    package func predictionStates(_ states: Tensor, module: Int) throws -> Tensor {
        try predictions[module].outputNorm(states)
    }

    /// `[rows, hidden]` -> `[rows, vocabulary]`.
    package func predictionLogits(_ states: Tensor, module: Int) throws -> Tensor {
        try logits(predictionStates(states, module: module))
    }

    /// An empty cache of keys and values of one module.
    package func predictionCache(precision: Precision, ledger: KVBlockLedger? = nil) -> KVCache {
        KVCache(
            configuration.layers.suffix(1).map(\.cache), dtype: KVCacheType.f16.dtype(precision),
            sumsInFloat64: precision == .exactSums, ledger: ledger)
    }
}
