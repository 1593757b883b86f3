import MartletFormats
import MartletNN
import MartletTensor

/// Reads the parameters of a model from a checkpoint; `finish` reports all missing tensors and wrong shapes at once.
final class CheckpointParameters: ParameterSource {
    private let source: any TensorSource
    private let file: String
    private let places: (String) -> [WeightPlace]
    /// How the folder packs its matrices, where it does.
    private let packed: (any PackedReader)?
    private var missing: [String] = []
    private var mismatches: [ModelError.ShapeMismatch] = []
    private var wrongTypes: [String] = []
    private var failure: (any Error)?

    init(
        _ source: any TensorSource, file: String, places: @escaping (String) -> [WeightPlace],
        packed: (any PackedReader)? = nil
    ) {
        self.packed = packed
        self.source = source
        self.file = file
        self.places = places
    }

    /// Throws the errors of all parameters so far.
    func finish() throws {
        if let failure { throw failure }
        if !missing.isEmpty {
            // One tensor may hold several parameters, the norms of all heads for one.
            var seen = Set<String>()
            throw ModelError.missingTensors(file: file, names: missing.filter { seen.insert($0).inserted })
        }
        if !wrongTypes.isEmpty {
            let reason =
                "weights are floating-point or quantised numbers, not "
                + wrongTypes.prefix(8).joined(separator: ", ")
                + (wrongTypes.count > 8 ? " and \(wrongTypes.count - 8) more" : "")
            throw ModelError.unsupported(file: file, reason: reason)
        }
        if !mismatches.isEmpty { throw ModelError.wrongShapes(file: file, mismatches) }
    }

    func contains(_ name: String) -> Bool {
        places(name).contains { source.entry($0.storedName) != nil }
    }

    func matrix(_ name: String, shape: Shape, role: ParameterRole) -> any WeightMatrix {
        if let packed, name.hasSuffix(".weight"), let place = places(name).first {
            var module = place.storedName
            if module.hasSuffix(".weight") { module = String(module.dropLast(".weight".count)) }
            do {
                let stored = PackedModule(name: module, shape: shape, source: source, file: file)
                switch place {
                case .tensor: if let matrix = try packed.matrix(stored) { return matrix }
                case .expertPart(_, let index, let part):
                    if let matrix = try packed.expert(index, part, of: stored) { return matrix }
                default: break
                }
            } catch let error as TensorError {
                if failure == nil { failure = ModelError.unsupported(file: file, reason: "\(module): \(error)") }
                return placeholder
            } catch {
                if failure == nil { failure = error }
                return placeholder
            }
        }
        return parameter(name, shape: shape, role: role)
    }

    /// The table of an embedding that the folder packs.
    private func table(_ name: String, shape: Shape, role: ParameterRole) -> Tensor? {
        guard let packed, case .embedding = role, name.hasSuffix(".weight"),
            case .tensor(let stored)? = places(name).first
        else { return nil }
        let module = String(stored.dropLast(".weight".count))
        do {
            return try packed.table(PackedModule(name: module, shape: shape, source: source, file: file))
        } catch {
            if failure == nil {
                failure =
                    error is TensorError ? ModelError.unsupported(file: file, reason: "\(module): \(error)") : error
            }
            return placeholder
        }
    }

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        if let table = table(name, shape: shape, role: role) { return table }
        if packed?.roundsTrainedWeights == true, shape.rank == 2, role.plain != .embedding, name != "lm_head.weight" {
            failure =
                failure
                ?? ModelError.unsupported(
                    file: file,
                    reason:
                        "quantization_config: the weights are rounded where they are used. Train an adapter on them "
                        + "(adapter=lora), or take quantization_config out of config.json and train with qat=ternary and "
                        + "qat_activations=int8")
            return placeholder
        }
        let places = places(name)
        guard let place = places.first(where: { source.entry($0.storedName) != nil }) else {
            missing.append(places.first?.storedName ?? name)
            return placeholder
        }
        do {
            var stored = try source.tensor(place.storedName)
            // The kernels do not support float64, and only the reference backend computes float64 models.
            if stored.dtype == .float64 { stored = try stored.to(.float32) }
            guard stored.dtype.isFloatingPoint || stored.dtype.isQuantized else {
                wrongTypes.append("\(stored.dtype.name) as in \(place.storedName)")
                return placeholder
            }
            var taken = try place.take(from: stored)
            if case .latentHeads(_, let values) = place, source.entry(values) != nil {
                taken = try WeightPlace.latentMatrix(keys: stored, values: source.tensor(values))
            }
            // A matrix of one row may be stored as a vector.
            if let vector = taken, vector.rank == 1, shape.rank == 2, shape[0] == 1, vector.shape[0] == shape[1] {
                taken = try vector.view(Array(shape))
            }
            guard let tensor = taken, tensor.shape == shape else {
                mismatches.append(
                    .init(name: place.storedName, found: Array(stored.shape), expected: Array(place.expected(shape))))
                return placeholder
            }
            return shape.rank == 1 ? try tensor.float32() : tensor
        } catch let error as TensorError {
            if failure == nil {
                failure = ModelError.unsupported(file: file, reason: "\(place.storedName): \(error)")
            }
            return placeholder
        } catch {
            if failure == nil { failure = error }
            return placeholder
        }
    }

    private var placeholder: Tensor { Tensor(uninitialized: [0, 0]) }
}

extension WeightPlace {
    /// The stored tensor's name.
    package var publishedName: String { storedName }

    /// The names of all tensors that it is made of, the first of which tells whether it is there.
    var storedNames: [String] {
        if case .latentHeads(let keys, let values) = self { [keys, values] } else { [storedName] }
    }

    var storedName: String {
        switch self {
        case .tensor(let name), .rows(let name, _, _), .groupedRows(let name, _, _, _),
            .transposedColumns(let name, _, _), .expert(let name, _), .expertPart(let name, _, _),
            .latentHeads(let name, _), .converted(let name, _):
            name
        }
    }

    /// The shape of the stored tensor for a parameter of `shape`; for error messages.
    func expected(_ shape: Shape) -> Shape {
        switch self {
        case .tensor: return shape
        case .converted(_, let conversion): return Shape(conversion.stored)
        case .rows(_, let sizes, let part):
            var whole = shape
            whole[0] = shape[0] * sizes.reduce(0, +) / max(sizes[part], 1)
            return whole
        case .groupedRows(_, let groups, let sizes, _):
            var whole = shape
            whole[0] = groups * sizes.reduce(0, +)
            return whole
        case .transposedColumns(_, let sizes, _): return [shape.rank > 1 ? shape[1] : shape[0], sizes.reduce(0, +)]
        case .expert: return Shape([0] + Array(shape))
        case .expertPart(_, _, let part):
            var whole = Array(shape)
            whole[0] *= part.share.count
            if part.isTransposed, whole.count == 2 { whole.reverse() }
            guard let count = part.flat else { return Shape([0] + whole) }
            return Shape([count * whole[0]] + whole.dropFirst())
        case .latentHeads: return [0, shape[1], 0]
        }
    }

    /// The rows of several tensors, group by group, as `groupedRows` names their places.
    package static func grouped(_ parts: [Tensor], groups: Int) throws -> Tensor {
        try Tensor.concatenate(
            (0..<groups).flatMap { group in
                try parts.map { part in
                    let size = part.shape[0] / groups
                    return try part.narrow(0, from: group * size, length: size)
                }
            })
    }

    /// The parameter itself, or nil when the stored tensor does not have the shape that this needs.
    func take(from stored: Tensor) throws -> Tensor? {
        switch self {
        case .tensor: return stored
        case .converted(_, let conversion): return try conversion.take(from: stored)
        case .rows(_, let sizes, let part):
            let total = sizes.reduce(0, +)
            guard stored.rank >= 1, total > 0, stored.shape[0] % total == 0 else { return nil }
            let unit = stored.shape[0] / total
            return stored.leadingRows(unit * sizes[..<part].reduce(0, +), count: unit * sizes[part])
        case .groupedRows(_, let groups, let sizes, let part):
            let size = sizes.reduce(0, +)
            guard stored.rank >= 1, stored.shape[0] == groups * size else { return nil }
            let first = sizes[..<part].reduce(0, +)
            return try Tensor.concatenate(
                (0..<groups).map { stored.leadingRows($0 * size + first, count: sizes[part]) })
        case .transposedColumns(_, let sizes, let part):
            guard stored.rank == 2, stored.shape[1] == sizes.reduce(0, +), !stored.dtype.isQuantized else { return nil }
            let first = sizes[..<part].reduce(0, +)
            return try stored.float32().narrow(1, from: first, length: sizes[part]).transposed().contiguous()
        case .expert(_, let index): return Self.member(index, of: stored, rank: 3)
        // Of two tensors: `CheckpointParameters` joins them.
        case .latentHeads: return nil
        case .expertPart(_, let index, let part):
            if let count = part.flat {
                guard stored.rank == 2, stored.shape[0] % count == 0 else { return nil }
                let size = stored.shape[0] / count
                return try part.take(from: stored.leadingRows(index * size, count: size))
            }
            return try Self.member(index, of: stored, rank: stored.rank == 2 ? 2 : 3).flatMap {
                try part.take(from: $0)
            }
        }
    }

    /// Keys `[heads, rank, plain]` and values `[heads, values, rank]` as one matrix `[heads * (plain + values), rank]` in
    /// float32; nil where their shapes do not fit.
    static func latentMatrix(keys: Tensor, values: Tensor) throws -> Tensor? {
        guard keys.rank == 3, values.rank == 3, keys.shape[0] == values.shape[0], keys.shape[1] == values.shape[2]
        else { return nil }
        func float32(_ x: Tensor) throws -> Tensor { x.dtype.isQuantized ? try x.dequantized() : try x.to(.float32) }
        let rows = try Tensor.concatenate([float32(keys).transposed(), float32(values)], axis: 1)
        return try rows.contiguous().reshape(rows.shape[0] * rows.shape[1], rows.shape[2])
    }

    /// Matrix or vector `index` of a stack, without a copy.
    private static func member(_ index: Int, of stored: Tensor, rank: Int) -> Tensor? {
        guard stored.rank == rank, index < stored.shape[0] else { return nil }
        let member = stored.leadingRows(index, count: 1)
        return Tensor(
            storage: member.storage, byteOffset: member.byteOffset, dtype: member.dtype,
            shape: Shape(Array(stored.shape.dropFirst())))
    }
}
