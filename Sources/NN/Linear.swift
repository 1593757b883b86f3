import MartletTensor

/// A linear layer: y = x Wᵀ + b with W `[out, in]` in any stored form, plus the results of its adapters.
///
/// ```swift
/// let layer = Linear(Initializer(.xavierUniform, seed: 1), "layer", from: 4, to: 2)
/// let y = try layer(x)  // x [tokens, 4] -> y [tokens, 2]
/// ```
public final class Linear: ModuleLeaf {
    public let path: String
    public var kind: String { "linear" }
    /// W; for a layer that shares the table of an embedding, that table.
    public var matrix: any WeightMatrix { shared?.weight ?? own }
    public private(set) var bias: Tensor?
    /// Its place in the tree that it was built for.
    package internal(set) var place: ModuleTree.Place?
    /// Applied in order to the result of the layer.
    public var adapters: [any LinearAdapter] = []
    public var hooks = LeafHooks()
    public var outputSize: Int { matrix.shape[0] }
    public var inputSize: Int { matrix.shape[1] }

    /// The part of the layer that this rank holds: see `divide`.
    public private(set) var partition = Partition.whole

    /// Whether inputs are rounded to eight bits, token by token, with gradients straight through: for training that knows of
    /// it. Products with a packed weight do so by themselves.
    package var roundsInputsInTraining = false

    private var own: any WeightMatrix
    private var shared: Embedding?
    private let role: ParameterRole
    /// The weight packed for inference, once `prepare` has run.
    private var packed: PackedMatrix? { didSet { (derived, derivedVectors) = (nil, nil) } }
    /// What a larger layer computed of the weight for its own products; dropped whenever the weight may have changed.
    package var derived: [PackedMatrix]?
    /// What a larger layer computed of the rows, dropped likewise.
    package var derivedVectors: [Tensor]?
    /// How products are computed: `prepare`'s; `.exact` before it.
    package private(set) var precision = Precision.exact

    /// - Parameters:
    ///   - source: gives W `[out, in]` as `path.weight` and b `[out]` as `path.bias`.
    ///   - path: the path of the layer in the model, such as "model.layers.0.mlp.up_proj".
    ///   - biasRule: how b begins where it is not 0.
    public init(
        _ source: ParameterSource, _ path: String, from inputSize: Int, to outputSize: Int, bias: Bool = false,
        role: ParameterRole = .weight, biasRule: InitialRule? = nil
    ) {
        self.path = path
        self.role = role.plain
        own = source.matrix(path + ".weight", shape: [outputSize, inputSize], role: role)
        let biasRole = biasRule.map { ParameterRole.ruled($0, as: .bias) } ?? .bias
        self.bias = bias ? source.parameter(path + ".bias", shape: [outputSize], role: biasRole) : nil
        shared = nil
        source.register(self)
    }

    /// A layer that uses the table of an embedding as W, as a tied output projection does.
    public init(_ source: ParameterSource, _ path: String, sharing embedding: Embedding, bias: Bool = false) {
        self.path = path
        role = .embedding
        shared = embedding
        own = embedding.weight
        self.bias = bias ? source.parameter(path + ".bias", shape: [embedding.weight.shape[0]], role: .bias) : nil
        source.register(self)
    }

    public var parameters: [ModuleParameter] {
        var parameters: [ModuleParameter] = []
        if shared == nil { parameters.append(ModuleParameter(path: path + ".weight", role: role, value: own)) }
        if let bias { parameters.append(ModuleParameter(path: path + ".bias", role: .bias, value: bias)) }
        return parameters
    }

    public func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        for parameter in parameters {
            guard let tensor = parameter.value as? Tensor else { continue }
            let changed = try change(parameter, tensor)
            if parameter.role == .bias { bias = changed } else { own = changed }
        }
        packed = nil
    }

    /// Replaces W with another matrix of the same shape.
    /// - Throws: `ModuleError.wrongShape`, also for a layer that shares the table of an embedding.
    public func replaceMatrix(_ matrix: any WeightMatrix) throws(ModuleError) {
        guard shared == nil, matrix.shape == own.shape else {
            throw .wrongShape(
                path: path, found: "\(matrix.shape)",
                expected: "\(own.shape)" + (shared.map { " in \($0.path), whose table it shares" } ?? ""))
        }
        own = matrix
        packed = nil
    }

    package var sharesTable: Bool { shared != nil }

    /// Continues with a copy of the shared table as its own matrix, so that changes of one do not affect the other.
    package func untie() {
        guard let table = shared?.weight else { return }
        own = table.detach()
        shared = nil
        packed = nil
    }

    /// W with the adapters merged into it, for losses that never hold all results at once. Without adapters it is W
    /// itself; else it is float32, and on the tape if the adapters are trained.
    public func adaptedMatrix() throws -> any WeightMatrix {
        let enabled = adapters.filter(\.isEnabled)
        guard !enabled.isEmpty else { return matrix }
        var weight = try matrix.float32Matrix()
        for adapter in enabled { weight = try adapter.merged(weight, bias: nil).weight }
        return weight
    }

    /// Continues as one part of itself.
    func take(_ part: any WeightMatrix, bias: Tensor?, _ partition: Partition) {
        own = part
        self.bias = bias
        self.partition = partition
        packed = nil
    }

    /// Packs the weight for fast products with constant weights.
    public func prepare(_ precision: Precision) throws {
        let matrix = try matrix.packed(exact: precision.isExact)
        matrix.sumsInFloat64 = precision == .exactSums
        if precision == .int8Inputs, matrix.holdsBytes { matrix.inputRounding = self.matrix.inputRounding }
        packed = matrix
        self.precision = precision
    }

    /// As before `prepare`, with the given precision.
    func unprepare(_ precision: Precision) {
        packed = nil
        self.precision = precision
    }

    /// Whether products with the packed weight round their inputs to eight bits.
    package var roundsInputs: Bool { packed?.inputRounding != nil }

    /// Drops the packed weight. Call it when the weight changes.
    public func release() { packed = nil }

    /// Bytes of the packed weight.
    public var preparedByteCount: Int { (packed?.byteCount ?? 0) + (derived ?? []).reduce(0) { $0 + $1.byteCount } }

    /// - Parameter x: `[tokens, in]`.
    /// - Returns: `[tokens, out]`.
    public func callAsFunction(_ x: Tensor) throws -> Tensor { try Self.project(x, [self], RowAdapters())[0] }

    /// With adapters for some rows only.
    package func callAsFunction(_ x: Tensor, _ rows: RowAdapters) throws -> Tensor {
        try Self.project(x, [self], rows)[0]
    }

    /// The result for its gradients alone: where nobody reads its elements, the product is not computed and they are
    /// undefined. For the last product of a layer that is recomputed during the backward pass.
    package func forGradients(_ x: Tensor, _ rows: RowAdapters) throws -> Tensor {
        let active = adapters.filter(\.isEnabled), terms = try active.compactMap { try $0.term(rows.draw) }
        guard rows.isEmpty, hooks.isEmpty, !roundsInputsInTraining, active.count <= 1, terms.count == active.count,
            Self.isRecording(x, [self]) || Tensor.isRecording(terms.flatMap { [$0.down, $0.up] })
        else { return try self(x, rows) }
        let layer = [(weight: matrix, bias: bias)]
        return try terms.isEmpty
            ? Fused.linear(x, layer, values: false)[0] : Fused.linear(x, layer, terms: terms, values: false)[0]
    }

    /// Several layers over one input: x is quantised once, and all products run in one fork-join.
    /// - Parameter x: `[tokens, in]`.
    /// - Returns: for each layer `[tokens, out]`.
    public static func project(_ x: Tensor, _ layers: Linear...) throws -> [Tensor] {
        try project(x, layers, RowAdapters())
    }

    package static func project(_ x: Tensor, _ layers: [Linear], _ rows: RowAdapters) throws -> [Tensor] {
        let x = layers.contains { $0.roundsInputsInTraining } ? try x.roundedByRow() : x
        let isPlain = layers.allSatisfy { $0.adapters.isEmpty } && rows.isEmpty
        let outputs = try isPlain ? products(x, layers) : adapted(x, layers, rows)  // [tokens, out] each
        guard layers.contains(where: { !$0.hooks.isEmpty }) else { return outputs }
        return try zip(layers, outputs).map { layer, output in
            layer.hooks.isEmpty ? output : try layer.hooks(output, of: layer.path)
        }
    }

    private static func adapted(_ x: Tensor, _ layers: [Linear], _ rows: RowAdapters) throws -> [Tensor] {
        // Requests with adapters, served: for every product of every token, so without lists.
        if rows.haveTermsAlone, !isGradientEnabled, layers.allSatisfy({ $0.adapters.isEmpty }) {
            let outputs = try products(x, layers)
            try rows.addTerms(x, to: outputs, of: layers, areNoted: false)
            return outputs
        }
        let active = layers.map { $0.adapters.filter(\.isEnabled) }
        let changesInput = zip(layers, active).contains { layer, adapters in
            adapters.contains(where: \.changesInput) || rows.changesInput(of: layer.path)
        }
        if changesInput, layers.count > 1 { return try layers.map { try adapted(x, [$0], rows)[0] } }
        var input = x
        if changesInput {
            for adapter in active[0] { input = try adapter.input(input) }
            input = try rows.input(input, of: layers[0].path)
        }
        // The first low-rank term of each layer is computed together with the layer's own product.
        let terms = try active.map { try $0.first?.term(rows.draw) }
        var outputs = try products(input, layers, terms, active.map(\.first))
        for index in layers.indices {
            for adapter in active[index].dropFirst(terms[index] == nil ? 0 : 1) {
                outputs[index] = try adapter(x, outputs[index], rows.draw)
            }
        }
        guard !rows.isEmpty else { return outputs }
        let areNoted = Tensor.isRecording(outputs)
        try rows.addTerms(x, to: outputs, of: layers, areNoted: areNoted)
        return try zip(layers, outputs).map { try rows.slowly(x, $1, of: $0.path, isNoted: areNoted) }
    }

    /// Runs for every product of every token, so it builds no lists, and inspects the layers only where gradients are
    /// enabled.
    private static func isRecording(_ x: Tensor, _ layers: [Linear]) -> Bool {
        guard isGradientEnabled else { return false }
        if Tensor.isRecording(x) { return true }
        return layers.contains { $0.matrix.isNoted || ($0.bias.map { Tensor.isRecording($0) } ?? false) }
    }

    /// - Parameters:
    ///   - terms: one for each layer; nil for a layer without.
    ///   - adapters: those whose terms these are.
    private static func products(
        _ x: Tensor, _ layers: [Linear], _ terms: [LowRankTerm?] = [], _ adapters: [(any LinearAdapter)?] = []
    ) throws -> [Tensor] {
        let matrices = layers.compactMap { $0.packed }, hasTerms = terms.contains { $0 != nil }
        // Products that are recorded for gradients, and layers that were not prepared, use the stored form.
        if matrices.count < layers.count || isRecording(x, layers)
            || (hasTerms && Tensor.isRecording(terms.flatMap { [$0?.down, $0?.up] }))
        {
            let weights = layers.map { ($0.matrix, $0.bias) }
            return try hasTerms ? Fused.linear(x, weights, terms: terms) : Fused.linear(x, weights)
        }
        let outputs = try PackedMatrix.multiply(x, by: matrices)
        for index in layers.indices where layers[index].bias != nil {
            if let bias = layers[index].bias { try Fused.addRow(bias, to: outputs[index]) }
        }
        if hasTerms {
            let all = 0..<x.shape[0]
            let parts = try terms.enumerated().compactMap { index, term -> LowRankPart? in
                guard let term else { return nil }
                let adapter = layers[index].precision.isExact ? nil : adapters[index] as? LowRankAdapter
                let packed = try adapter?.packed(term)
                return LowRankPart(rows: all, output: index, packed.map { .packed($0, 0) } ?? .plain(term))
            }
            try Fused.addLowRank(x, parts, to: outputs)
        }
        return outputs
    }
}

/// How products with constant weights are computed, and attention over a cache.
public enum Precision: String, Sendable, CaseIterable {
    /// In the format the weights are stored in, activations rounded to 16 bits in blocks of 32 where the weights
    /// are quantised.
    case fast
    /// As `fast`, but inputs of matrices of bytes whose files ask for it are rounded to eight bits, token by token:
    /// bitsandbytes' LLM.int8 and compressed-tensors with int8 activations.
    case int8Inputs
    /// Weights dequantised to float32, everything in float32: what training computes with.
    case exact
    /// As `exact`, with the sums of products, and attention with its scores and softmax, in float64: what `--exact` asks for.
    /// A float32 sum of some hundred terms in one order errs by more than all other roundings of a layer.
    case exactSums

    /// Whether weights and the cache are float32.
    package var isExact: Bool { self == .exact || self == .exactSums }
}
