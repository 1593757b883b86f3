import MartletModels
import MartletNN
import MartletTensor

/// A tensor of an adapter, by the name and in the shape that PEFT stores it.
package struct AdapterTensor {
    /// "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight".
    package let key: String
    /// The parts to concatenate: a matrix that files store joined is trained in parts if the model has it in parts.
    package internal(set) var pieces: [Piece]
    /// Groups of rows in which the pieces take turns, as where each head's queries, keys and values stand together.
    var groups = 1
    /// What is appended to the trained tensor when it is stored, and along which axis.
    var appended: (tensor: Tensor, axis: Int)?
    /// Computes what is stored from what is trained, if they differ.
    var made: (() throws -> Tensor)?

    package struct Piece {
        /// What is trained or was read, in the model's order of rows.
        package let tensor: Tensor
        let order: RowOrder?
    }

    init(_ key: String, _ tensor: Tensor, order: RowOrder? = nil) {
        (self.key, pieces) = (key, [Piece(tensor: tensor, order: order)])
    }

    init(_ key: String, _ pieces: [Piece]) { (self.key, self.pieces) = (key, pieces) }

    /// Whether it is stored as it is trained.
    var isStoredAsTrained: Bool { pieces.count == 1 && pieces[0].order == nil && appended == nil && made == nil }

    /// As PEFT stores it.
    func published() throws -> Tensor {
        if let made { return try noGrad { try made().detach() } }
        var pieces = pieces
        if let appended {
            let whole = try Tensor.concatenate([pieces[0].tensor.detach(), appended.tensor], axis: appended.axis)
            pieces[0] = Piece(tensor: whole, order: pieces[0].order)
        }
        let parts = try pieces.map { try $0.order?.toPublished($0.tensor.detach()) ?? $0.tensor.detach() }
        return try joined(parts)
    }

    /// One tensor of those of the pieces, as files hold it.
    package func joined(_ parts: [Tensor]) throws -> Tensor {
        guard parts.count > 1 else { return parts[0] }
        return try groups > 1 ? WeightPlace.grouped(parts, groups: groups) : Tensor.concatenate(parts)
    }
}

/// The source of an adapter's tensors: an initialisation, or a file.
protocol AdapterSource: AnyObject {
    var isStored: Bool { get }
    /// - Parameters:
    ///   - key: the name in a PEFT folder.
    ///   - initial: the initial value, in the model's order of rows.
    func tensor(
        _ key: String, shape: Shape, order: RowOrder?, initial: () throws -> Tensor
    ) throws -> Tensor
    /// The rank of a module's stored tensors; nil for new ones.
    func storedRank(_ key: String) throws -> Int?
    /// Whether a tensor is stored.
    func has(_ key: String) -> Bool
}

/// New tensors, which are trained.
final class FreshTensors: AdapterSource {
    let isStored = false

    func tensor(_ key: String, shape: Shape, order: RowOrder?, initial: () throws -> Tensor) throws -> Tensor {
        let value = try initial().detach().to(.float32)
        // A copy: no memory is trained twice, and the model's own memory is not written to.
        return try value.copied().requiringGrad()
    }

    func storedRank(_ key: String) throws -> Int? { nil }
    func has(_ key: String) -> Bool { false }
}

/// Tensors of a file, by the names of a PEFT folder.
final class StoredTensors: AdapterSource {
    let isStored = true
    private let tensors: [String: Tensor]
    private let file: String
    private let isTrained: Bool
    private var used: Set<String> = []

    init(_ tensors: [String: Tensor], file: String, isTrained: Bool) {
        (self.tensors, self.file, self.isTrained) = (tensors, file, isTrained)
    }

    /// A tensor by its name; magnitudes are stored with and without ".weight", biases under the layer or its wrapper.
    private func find(_ key: String) -> (name: String, tensor: Tensor)? {
        for name in Self.spellings(of: key) { if let tensor = tensors[name] { return (name, tensor) } }
        return nil
    }

    private static func spellings(of key: String) -> [String] {
        if key.hasSuffix(".lora_magnitude_vector") { return [key, key + ".weight"] }
        if key.contains(".base_layer.") { return [key, key.replacing(".base_layer.", with: ".")] }
        return [key]
    }

    func has(_ key: String) -> Bool { find(key) != nil }

    func storedRank(_ key: String) throws -> Int? { find(key)?.tensor.shape.first }

    func tensor(_ key: String, shape: Shape, order: RowOrder?, initial: () throws -> Tensor) throws -> Tensor {
        guard let (name, stored) = find(key) else {
            throw AdapterError(.file, "\(file) lacks \(key), which its adapter_config.json asks for")
        }
        used.insert(name)
        let fits = stored.shape == shape || (stored.elementCount == shape.elementCount && shape.contains(1))
        guard fits, stored.dtype.isFloatingPoint else {
            throw AdapterError(
                .otherBase,
                "\(file): \(name) is \(stored.dtype.name) \(stored.shape), the base needs \(shape): the adapter was made for "
                    + "another model")
        }
        var value = try stored.to(.float32).reshape(shape)
        if let order { value = try order.fromPublished(value) }
        guard isTrained else { return value.storage === stored.storage ? value.copied() : value }
        return try value.copied().requiringGrad()
    }

    /// - Parameters:
    ///   - modules: what other programs have beside the base and nothing here is computed with; tensors of theirs are
    ///     passed over.
    ///   - next: continues the sentence about a tensor that belongs to nothing.
    /// - Throws: `AdapterError` naming the first tensor that belongs to no part of the base.
    func finish(besides modules: [String] = [], next: String = "") throws {
        // PEFT stores the table itself beside an adapter of it.
        let left = tensors.keys.filter { key in
            !used.contains(key) && !key.hasSuffix(".base_layer.weight")
                && !modules.contains { key.hasPrefix("base_model.model." + $0 + ".") }
        }.sorted()
        guard !used.isEmpty || !left.isEmpty else { throw AdapterError(.file, "\(file) holds no tensors") }
        guard let first = left.first else { return }
        throw AdapterError(
            .otherBase,
            "\(file): \(first) belongs to no module of the base that its adapter_config.json names"
                + (left.count > 1 ? ", nor do \(left.count - 1) others" : "") + next)
    }
}
