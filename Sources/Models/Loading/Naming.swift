import MartletTensor

/// Where a parameter of the model is stored in a checkpoint.
///
/// The model uses Llama's names (`model.layers.3.self_attn.q_proj.weight`). A family with other files maps them to
/// another name, a range of rows of a fused tensor, or a transposed tensor.
public enum WeightPlace: Sendable, Equatable {
    case tensor(String)
    /// Part number `part` of a fused tensor whose rows are divided in proportion to `sizes`.
    case rows(String, sizes: [Int], part: Int)
    /// Part number `part` of every group of rows of a fused tensor: `groups` times `sizes`, as where each head's queries,
    /// keys and values stand together (GPT-NeoX, BLOOM, Falcon).
    case groupedRows(String, groups: Int, sizes: [Int], part: Int)
    /// Stored transposed, `[in, out]`, as GPT-2's Conv1D; then a range of columns.
    case transposedColumns(String, sizes: [Int], part: Int)
    /// Matrix `index` of a stack `[experts, out, in]`.
    case expert(String, index: Int)
    /// Part of matrix `index` of a stack, or of vector `index` of a stack `[experts, out]` of biases.
    case expertPart(String, index: Int, ExpertPart)
    /// Of latent attention: keys `[heads, rank, plain]` and values `[heads, values, rank]` in two tensors, whose rows stand
    /// head by head in one matrix `[heads * (plain + values), rank]`.
    case latentHeads(keys: String, values: String)
    /// Stored in another shape, or as another function of the parameter.
    case converted(String, WeightConversion)
}

/// A parameter that a file stores in another form.
public struct WeightConversion: Sendable, Equatable {
    /// The shape in the file, and that of the parameter.
    public var stored, own: [Int]
    /// Whether the file has −e^p of each number p: decays of state spaces in GGUF.
    public var isNegativeExponential = false
    /// Whether the file has further rows, which repeat the first one: tokens without an input of single layers.
    public var repeatsFirstRow = false

    public init(
        stored: [Int], own: [Int], isNegativeExponential: Bool = false, repeatsFirstRow: Bool = false
    ) {
        (self.stored, self.own, self.isNegativeExponential) = (stored, own, isNegativeExponential)
        self.repeatsFirstRow = repeatsFirstRow
    }

    /// The parameter, or nil where the number of elements does not fit.
    /// - Throws: `TensorError` where a stored number is no −e^p.
    func take(from stored: Tensor) throws -> Tensor? {
        if repeatsFirstRow {
            return Array(stored.shape) == self.stored ? stored.leadingRows(0, count: own[0]) : nil
        }
        guard stored.elementCount == Shape(own).elementCount else { return nil }
        let shaped = try stored.contiguous().view(own)
        guard isNegativeExponential else { return shaped }
        let rates = try shaped.to(.float32).negative()
        guard try rates.min(axes: []).item(as: Float.self) > 0 else {
            throw TensorError(.argument, "decay", "a number is not below 0, where files have −e^A")
        }
        return try rates.log()
    }

    /// What a file has for a parameter: the inverse of `take`.
    package func made(of own: Tensor) throws -> Tensor {
        if repeatsFirstRow {
            // Blocks of codes have no rows that could be put behind others.
            let table = own.dtype.isQuantized ? try own.dequantized() : own
            let first = [Tensor](repeating: table.leadingRows(0, count: 1), count: stored[0] - self.own[0])
            return try Tensor.concatenate([table] + first)
        }
        let value = try isNegativeExponential ? own.to(.float32).exp().negative() : own
        return try value.contiguous().view(stored)
    }
}

/// How the matrices of several modules of an expert lie in one stack.
public struct ExpertPart: Sendable, Equatable {
    /// Whether matrices are stored `[in, out]`.
    public var isTransposed: Bool
    public var rows: Rows
    /// The number of experts where their matrices stand one behind the other in a tensor of two dimensions (DBRX).
    public var flat: Int?

    public enum Rows: Sendable, Equatable {
        case all
        /// The first or the second half.
        case half(Int)
        /// Rows 0, 2, 4, … or 1, 3, 5, ….
        case everyOther(from: Int)
    }

    public init(isTransposed: Bool = false, _ rows: Rows = .all, flat: Int? = nil) {
        self.isTransposed = isTransposed
        self.rows = rows
        self.flat = flat
    }

    /// The whole tensor from the experts' matrices or vectors in order.
    package func stacked(_ experts: [Tensor]) throws -> Tensor {
        flat == nil ? try Tensor.stack(experts) : try Tensor.concatenate(experts)
    }

    /// The number of modules that share a matrix of the stack, and which of them this is.
    package var share: (count: Int, part: Int) {
        switch rows {
        case .all: (1, 0)
        case .half(let part), .everyOther(let part): (2, part)
        }
    }

    /// The part of one expert's matrix or vector.
    func take(from stored: Tensor) throws -> Tensor? {
        var matrix = stored
        if isTransposed, stored.rank == 2 {
            guard !stored.dtype.isQuantized else { return nil }
            matrix = try stored.transposed().contiguous()
        }
        let count = matrix.shape[0]
        switch rows {
        case .all: return matrix
        case .half(let part):
            return count % 2 == 0 ? matrix.leadingRows(part * count / 2, count: count / 2) : nil
        case .everyOther(let first):
            guard count % 2 == 0, !matrix.dtype.isQuantized else { return nil }
            return try matrix.slice(0, from: first, step: 2).contiguous()
        }
    }

    /// One expert's matrix or vector from its parts in order: the inverse of `take`.
    package func joined(_ parts: [Tensor]) throws -> Tensor {
        var matrix = parts[0]
        switch rows {
        case .all: break
        case .half: matrix = try Tensor.concatenate(parts)
        case .everyOther:
            let shape = parts[0].shape
            matrix = try Tensor.stack(parts, axis: 1).reshape(Array([2 * shape[0]] + shape.dropFirst()))
        }
        return isTransposed && matrix.rank == 2 ? try matrix.transposed().contiguous() : matrix
    }
}

/// The tensor names in a family's checkpoints.
public struct Naming: Sendable {
    /// The places of a parameter, in the order in which they are tried.
    let places: @Sendable (_ name: String, _ configuration: DecoderConfiguration) -> [WeightPlace]

    /// Names that differ from Llama's in single modules.
    /// - Parameters:
    ///   - prefixes: what stands before all names but the head's, in the order in which they are tried.
    ///   - outside: names of modules outside of layers, by the model's names without "model."; of the head by "lm_head".
    ///   - layers: what stands before the number of a layer.
    ///   - inside: names of modules of a layer, by the model's.
    ///   - joined: modules that are parts of a fused tensor.
    static func modules(
        _ prefixes: [String] = ["model."], outside: [String: String] = [:], layers: String = "layers",
        inside: [String: String] = [:],
        joined: @escaping @Sendable (DecoderConfiguration) -> [String: JoinedModule] = { _ in [:] }
    ) -> Naming {
        Naming { name, configuration in
            let parts = name.split(separator: ".").map(String.init)
            guard let kind = parts.last, parts.count > 2, parts[0] == "model" else {
                let module = parts.dropLast().joined(separator: ".")
                return [.tensor("\(outside[module] ?? module).\(parts.last ?? "")")]
            }
            guard parts[1] == "layers", parts.count > 4 else {
                let module = parts[1..<(parts.count - 1)].joined(separator: ".")
                return prefixes.map { .tensor("\($0)\(outside[module] ?? module).\(kind)") }
            }
            let module = parts[3..<(parts.count - 1)].joined(separator: ".")
            let joined = joined(configuration)[module]
            return prefixes.map { prefix in
                let layer = "\(prefix)\(layers).\(parts[2])."
                guard let joined else { return .tensor("\(layer)\(inside[module] ?? module).\(kind)") }
                let stored = "\(layer)\(joined.stored).\(kind)"
                return joined.groups == 1
                    ? .rows(stored, sizes: joined.sizes, part: joined.part)
                    : .groupedRows(stored, groups: joined.groups, sizes: joined.sizes, part: joined.part)
            }
        }
    }

    static let llama = Naming { name, _ in [.tensor(name)] }

    init(places: @escaping @Sendable (String, DecoderConfiguration) -> [WeightPlace]) {
        self.places = places
    }
}

/// A module whose rows are part of a fused tensor.
struct JoinedModule: Sendable {
    let stored: String
    var groups = 1
    let sizes: [Int]
    let part: Int

    /// Queries, keys and values in one tensor, all heads of each together.
    static func queriesKeysValues(_ stored: String, _ attention: AttentionSpec) -> [String: JoinedModule] {
        joined(stored, [attention.queryWidth, attention.keyWidth, attention.valueWidth], groups: 1)
    }

    /// Queries, keys and values in one tensor, group by group of query heads with their key and value head.
    static func groupedQueriesKeysValues(_ stored: String, _ attention: AttentionSpec) -> [String: JoinedModule] {
        let shared = attention.heads / attention.keyValueHeads, size = attention.headDimension
        return joined(stored, [shared * size, size, attention.valueDimension], groups: attention.keyValueHeads)
    }

    /// The two halves of a gated feed-forward layer in one tensor.
    static func gateUp(_ stored: String, _ feedForward: FeedForwardSpec) -> [String: JoinedModule] {
        let sizes = [feedForward.size, feedForward.size]
        return [
            "mlp.gate_proj": JoinedModule(stored: stored, sizes: sizes, part: 0),
            "mlp.up_proj": JoinedModule(stored: stored, sizes: sizes, part: 1),
        ]
    }

    private static func joined(_ stored: String, _ sizes: [Int], groups: Int) -> [String: JoinedModule] {
        var result: [String: JoinedModule] = [:]
        for (part, module) in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].enumerated() {
            result[module] = JoinedModule(stored: stored, groups: groups, sizes: sizes, part: part)
        }
        return result
    }
}
