import MartletNN
import MartletTensor

/// The decoder-only transformer that every family configures: embed, run the blocks, normalise, project to logits.
///
/// ```swift
/// let decoder = try checkpoint.decoder()
/// try decoder.prepare(.fast)
/// let cache = KVCache(decoder.configuration, precision: .fast)
/// let hidden = try decoder.hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: cache)])
/// let logits = try decoder.logits(hidden)      // of the token after each, [tokens, vocabulary]
/// ```
public final class Decoder {
    public let configuration: DecoderConfiguration
    /// Every layer by its path.
    public let tree: ModuleTree
    let embedding: Embedding
    let positionEmbedding: Embedding?
    /// Unused rows at the beginning of the table of positions (of encoder-decoders), and positions that are computed.
    private let positionOffset: Int32
    private let sinusoids: Sinusoids?
    let embeddingNorm: Norm?
    /// Whether it comes before the positions (Blenderbot-small).
    private let normalizesTokens: Bool
    /// Between the embeddings and the residual stream, and between that and the head, where widths differ (OPT-350m).
    private let embeddingProjection, stateProjection: Linear?
    let stack: BlockStack
    /// Nil where blocks have norms behind.
    let norm: Norm?
    let head: Linear?
    /// Of multi-token prediction, in order.
    let predictions: [PredictionModule]
    /// In training, layers keep their input only and are computed again on the way back: see `BlockStack`.
    public var recomputesLayers: Bool {
        get { stack.recomputesLayers }
        set {
            stack.recomputesLayers = newValue
            for module in predictions { module.stack.recomputesLayers = newValue }
        }
    }
    /// Whether a layer can be computed again from the residual stream alone: see `recomputesLayers`.
    public var layersAreIndependent: Bool { !stack.isEntangled }
    private let mapped: MappedWeights
    private let headNorm: HeadNorm?
    private let perLayerInputs: PerLayerInputs?
    /// Several residual streams.
    private let streams: AltUpStreams?
    /// Learnt tokens before every text.
    public var prompt: VirtualPrompt?

    public init(_ source: ParameterSource, _ spec: DecoderConfiguration) {
        configuration = spec
        let source = ModuleTree.Builder(source)
        embedding = Embedding(source, "model.embed_tokens", count: spec.vocabularySize, size: spec.embeddingSize)
        let isProjected = spec.embeddingSize != spec.hiddenSize
        embeddingProjection =
            isProjected
            ? Linear(source, "model.embed_projection", from: spec.embeddingSize, to: spec.hiddenSize) : nil
        positionEmbedding =
            spec.learnedPositions
            ? Embedding(source, "model.embed_positions", count: spec.contextLength, size: spec.hiddenSize) : nil
        embeddingNorm =
            spec.normalizesEmbeddings
            ? Norm(source, "model.embed_norm", spec.norm, size: spec.hiddenSize) : nil
        stack = BlockStack(source, "model.layers", spec.layers, hidden: spec.hiddenSize)
        norm = spec.hasFinalNorm ? Norm(source, "model.norm", spec.norm, size: spec.hiddenSize) : nil
        stateProjection =
            isProjected
            ? Linear(source, "model.state_projection", from: spec.hiddenSize, to: spec.embeddingSize) : nil
        head =
            !spec.hasHead
            ? nil
            : spec.tiedEmbeddings
                ? Linear(source, "lm_head", sharing: embedding, bias: spec.headBias)
                : Linear(source, "lm_head", from: spec.embeddingSize, to: spec.vocabularySize, bias: spec.headBias)
        (positionOffset, sinusoids, normalizesTokens) = (0, spec.sinusoids, false)
        headNorm = spec.normalizesHead ? HeadNorm() : nil
        perLayerInputs = spec.perLayerInputs.map { PerLayerInputs(source, $0, spec) }
        streams = spec.layers[0].altUp.map { AltUpStreams(source, $0, hidden: spec.hiddenSize) }
        predictions = (0..<spec.predictionModules).map {
            PredictionModule(source, layer: spec.layerCount + $0, spec)
        }
        tree = source.tree
        mapped = MappedWeights(tree.storedTensors)
    }

    /// The decoder of an encoder-decoder, of the same layers: its passes are given the sources that it attends to
    /// (`Pass.sources`).
    init(of half: EncoderDecoder.DecoderHalf, _ spec: EncoderDecoderConfiguration, _ tree: ModuleTree) {
        configuration = spec.decoderConfiguration
        (embedding, positionEmbedding, embeddingNorm) = (half.embedding, half.positions, half.embeddingNorm)
        (positionOffset, sinusoids) = (Int32(spec.positionOffset), spec.sinusoids)
        normalizesTokens = half.normalizesTokens
        (stack, norm, head) = (half.blocks, half.norm, half.head)
        (headNorm, perLayerInputs, streams) = (nil, nil, nil)
        (embeddingProjection, stateProjection) = (nil, nil)
        predictions = []
        self.tree = tree
        mapped = MappedWeights(tree.storedTensors)
    }

    /// Forgets what `prepare` made, as must be done when parameters change.
    public func releasePrepared() {
        tree.release()
        headNorm?.release()
    }

    /// Rearranges all weights for inference.
    /// - Parameter progress: called with the number of layers done and their total.
    public func prepare(_ precision: Precision, progress: (Int, Int) -> Void = { _, _ in }) throws {
        try tree.prepare(precision, progress: progress)
        try checkFiles()
    }

    /// Checks that the files which the weights are read from are what was loaded, as every pass does at its end.
    /// - Throws: `ModelError.fileChanged`.
    package func checkFiles() throws(ModelError) { try mapped.check() }

    /// Runs tokens of one or several sequences and extends their caches.
    /// - Returns: the normalised hidden states, `[tokens, hidden]`.
    /// - Throws: `ModelError.tokenOutOfRange`; `ModelError.contextExceeded` where positions are learned;
    ///   `ModelError.fileChanged`; `TensorError` where gradients are recorded.
    public func hiddenStates(_ tokens: [Int32], _ sequences: [DecoderSequence]) throws -> Tensor {
        try hiddenStates(tokens, Pass(.cached(sequences)))
    }

    /// Runs whole sequences that are not continued, as training and scoring do: no cache, and everything noted for
    /// gradients where the parameters want them.
    /// - Parameters:
    ///   - segments: the rows of each sequence or packed document; they cover the tokens.
    ///   - positions: of every row; from 0 in every segment when left out.
    ///   - dropout: what is dropped, in training.
    /// - Returns: the normalised hidden states, `[tokens, hidden]`.
    public func hiddenStates(
        _ tokens: [Int32], segments: [Range<Int>], positions: [Int32]? = nil, dropout: DecoderDropout? = nil
    ) throws -> Tensor {
        try hiddenStates(tokens, Pass(.whole(segments), positions: positions, dropout: dropout))
    }

    /// Runs a pass over tokens.
    /// - Returns: the normalised hidden states, `[tokens, hidden]`; of the embeddings' width where that is another one.
    public func hiddenStates(_ tokens: [Int32], _ pass: Pass) throws -> Tensor {
        let vocabulary = configuration.vocabularySize
        for token in tokens where !(0..<vocabulary + (prompt?.count ?? 0)).contains(Int(token)) {
            throw ModelError.tokenOutOfRange(token: Int(token), vocabularySize: vocabulary)
        }
        if let prompt, case .whole(let segments) = pass.rows, !tokens.contains(where: { Int($0) >= vocabulary }) {
            let expanded = try ExpandedPass(tokens, segments, pass, prompt, vocabulary: vocabulary)
            pass.record?.place(expanded.rows)
            return try Fused.embed(expanded.rows, hiddenStates(expanded.tokens, expanded.pass), scale: 1)
        }
        let context = try PassContext(pass, tokens: tokens.count, stack, limit: positionLimit)
        guard let virtual = VirtualRows(tokens, prompt, vocabulary: vocabulary) else {
            let embedded = try self.embedded(tokens, context.adapters)  // [tokens, hidden]
            context.perLayerInputs = try perLayerInputs?(tokens, embedded, context.adapters)
            return try run(embedded, context)
        }
        guard perLayerInputs == nil else {
            throw TensorError(
                .argument, "decoder", "learnt tokens have no inputs for single layers, which this model has")
        }
        context.virtual = virtual
        let known = tokens.map { Int($0) < vocabulary ? $0 : 0 }
        return try run(virtual.embedded(self.embedded(known, context.adapters)), context)
    }

    /// Runs a pass over embeddings in place of tokens' own, `[tokens, hidden]`: of pictures, of a prompt that is learned.
    /// They are not scaled, and stay as they are.
    /// - Returns: the normalised hidden states, `[tokens, hidden]`.
    public func hiddenStates(embeddings: Tensor, _ pass: Pass) throws -> Tensor {
        guard embeddings.rank == 2, embeddings.shape[1] == configuration.hiddenSize else {
            throw TensorError(
                .shape, "decoder",
                "embeddings of \(embeddings.shape) are not [tokens, \(configuration.hiddenSize)]")
        }
        let context = try PassContext(pass, tokens: embeddings.shape[0], stack, limit: positionLimit)
        return try run(embeddings.copied(), context)
    }

    /// The rows of the table for some tokens, as the first block gets them: `[tokens, hidden]`.
    package func embedded(_ tokens: [Int32], _ adapters: RowAdapters = RowAdapters()) throws -> Tensor {
        let rows = try embedding(tokens, scale: configuration.embeddingScale)  // [tokens, embedding]
        return try embeddingProjection?(rows, adapters) ?? rows
    }

    /// What requests are held to: learnt tokens before a text take of its context.
    package var requestConfiguration: DecoderConfiguration {
        guard let prompt else { return configuration }
        var result = configuration
        result.contextLength = max(result.contextLength - prompt.count, 1)
        return result
    }

    private var positionLimit: Int? {
        configuration.learnedPositions || sinusoids != nil ? configuration.contextLength : nil
    }

    private func run(_ embedded: Tensor, _ pass: PassContext) throws -> Tensor {
        var x = embedded  // [tokens, hidden]
        if normalizesTokens, let embeddingNorm { x = try embeddingNorm(x) }
        if let positionEmbedding {
            let places = positionOffset == 0 ? pass.positions : pass.positions.map { $0 + positionOffset }
            x = try Fused.add(x, positionEmbedding(places))
        }
        if let sinusoids { x = try Fused.add(x, sinusoids.vectors(pass.positions, size: x.shape[1]).to(x.dtype)) }
        if let dropout = pass.dropout { x = try dropout.noisy(x, pass.segments) }
        if !normalizesTokens, let embeddingNorm { x = try embeddingNorm(x) }
        x = try pass.dropped(x, site: 0)
        if let streams { x = try streams.expanded(x, pass.adapters) }  // [tokens, streams * hidden]
        x = try stack(x, pass)  // [tokens, hidden]
        if let streams { x = try streams.joined(x, pass.adapters) }
        try checkFiles()
        let hidden = try normalized(x, pass.adapters)  // [tokens, embedding]
        for sequence in pass.sequences { sequence.cache.advance(by: sequence.rows.count) }
        return hidden
    }

    /// The final norm, with the factor on logits and the projection to the embeddings' width: `[tokens, hidden]` ->
    /// `[tokens, embedding]`. Losses that go from here to the vocabulary without `logits` have the factor too.
    package func normalized(_ x: Tensor, _ adapters: RowAdapters = RowAdapters()) throws -> Tensor {
        var hidden = try norm?(x) ?? x
        if let stateProjection { hidden = try stateProjection(hidden, adapters) }
        return configuration.hasHead && configuration.logitScale != 1 ? try hidden * configuration.logitScale : hidden
    }

    /// The output projection as losses take it that never hold all logits at once: the matrix `[vocabulary, hidden]` with
    /// its adapters in it, and the bias `[vocabulary]` of families that have one.
    public var lossHead: (weight: any WeightMatrix, bias: Tensor?) {
        get throws {
            let matrix = try head?.adaptedMatrix() ?? embedding.weight
            return (headNorm == nil ? matrix : try HeadNorm.normalized(matrix), head?.bias)
        }
    }

    /// The matrix of the output projection alone, `[vocabulary, hidden]`.
    /// - Throws: `ModelError` where there is a bias as well, which what uses the matrix alone would leave out.
    public var headWeight: any WeightMatrix {
        get throws {
            let head = try lossHead
            guard head.bias == nil else {
                throw ModelError.unsupported(
                    file: "the \(configuration.family) model",
                    reason: "its output projection has a bias, which what takes the matrix alone would leave out")
            }
            return head.weight
        }
    }

    /// The output projection goes on with a table of its own, where it shares that of the embedding.
    package func untieHead() { head?.untie() }

    /// `[rows, hidden]` -> `[rows, vocabulary]`.
    /// - Throws: `ModelError.wrongKind` where the model has no output projection.
    public func logits(_ hidden: Tensor) throws -> Tensor {
        guard let head else {
            throw ModelError.wrongKind(
                path: "the \(configuration.family) model", kind: "one without an output projection",
                wanted: "a language model")
        }
        var logits = try head(hidden)
        if let headNorm { logits = try logits * headNorm.factors(of: head) }
        try checkFiles()
        guard let cap = configuration.logitSoftCap else { return logits }
        return try Fused.softCap(logits, cap)
    }

    /// The logits of every token of one sequence without a cache kept: `[tokens, vocabulary]`.
    public func callAsFunction(_ tokens: [Int32]) throws -> Tensor {
        // What is computed in float64, or recorded for gradients, has no cache.
        if embedding.weight.dtype == .float64 || (isGradientEnabled && !tree.trained.isEmpty) {
            return try logits(hiddenStates(tokens, segments: [0..<tokens.count]))
        }
        let cache = KVCache(configuration, precision: .exact)
        let whole = (prompt?.tokens(vocabulary: configuration.vocabularySize) ?? []) + tokens
        let hidden = try hiddenStates(whole, [DecoderSequence(rows: 0..<whole.count, cache: cache)])
        return try logits(hidden.leadingRows(whole.count - tokens.count, count: tokens.count))
    }
}
