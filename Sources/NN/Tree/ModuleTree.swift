import MartletTensor
import Synchronization

/// The layers of a model by their paths, in the order of construction. Layers are found, frozen, trained, replaced,
/// prepared, hooked and counted by patterns of their paths.
///
/// Each layer registers itself when the model is built on a `ModuleTree.Builder`, so none can be left out.
///
/// ```swift
/// try model.tree.freeze("embed_tokens")
/// for layer in try model.tree.find("layers.*.self_attn.q_proj") { print(layer.path) }
/// let hook = try model.tree.hook("layers.3.mlp.down_proj") { path, result in print(path, result.shape); return nil }
/// ```
public final class ModuleTree {
    public private(set) var leaves: [any ModuleLeaf] = []
    private var hookCount = 0
    /// Another number for each tree of the process.
    let identity = ModuleTree.count.add(1, ordering: .relaxed).newValue
    private(set) var linearCount = 0

    private static let count = Atomic(0)

    public init() {}

    /// The number of a linear layer in its tree, by which tables of layers are read without a name.
    package struct Place: Sendable, Equatable {
        package let tree, index: Int
    }

    /// Passes on the parameters of a source, and collects every layer that is built with it.
    public final class Builder: ParameterSource {
        private let source: any ParameterSource
        public let tree = ModuleTree()

        public init(_ source: any ParameterSource) { self.source = source }

        public func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
            source.parameter(name, shape: shape, role: role)
        }

        public func matrix(_ name: String, shape: Shape, role: ParameterRole) -> any WeightMatrix {
            source.matrix(name, shape: shape, role: role)
        }

        public func register(_ leaf: any ModuleLeaf) {
            if let linear = leaf as? Linear {
                linear.place = Place(tree: tree.identity, index: tree.linearCount)
                tree.linearCount += 1
            }
            tree.leaves.append(leaf)
            source.register(leaf)
        }
    }

    public var linears: [Linear] { leaves.compactMap { $0 as? Linear } }

    /// Every parameter, once.
    public var parameters: [ModuleParameter] { leaves.flatMap(\.parameters) }

    /// The tensors that hold all parameters.
    package var storedTensors: [Tensor] { parameters.flatMap(\.value.storedTensors) }

    /// The parameters for an optimiser: for each layer those that require gradients, then those of its adapters.
    public var trained: [Parameter] {
        leaves.flatMap { leaf in
            let own = leaf.parameters.compactMap { parameter in
                (parameter.value as? Tensor).flatMap {
                    $0.requiresGrad ? Parameter(name: parameter.path, role: parameter.role, tensor: $0) : nil
                }
            }
            let added =
                (leaf as? Linear)?.adapters.flatMap(\.parameters)
                ?? (leaf as? Embedding)?.adapters.flatMap(\.parameters) ?? []
            return own + added.filter(\.tensor.requiresGrad)
        }
    }

    /// - Throws: `ModuleError.nothingMatches` with similar names.
    public func find(_ pattern: String) throws(ModuleError) -> [any ModuleLeaf] {
        let wanted = ModulePattern(pattern)
        let found = leaves.filter(wanted.matches)
        guard !found.isEmpty else {
            throw .nothingMatches(pattern: pattern, near: wanted.near(leaves.map(\.path)))
        }
        return found
    }

    /// Excludes the matching parameters from training: they no longer require gradients.
    public func freeze(_ pattern: String) throws(ModuleError) {
        for leaf in try find(pattern) { leaf.replaceParameters { $1.detach() } }
    }

    /// Makes the matching parameters trainable: float32 leaves of the tape with memory of their own.
    /// - Throws: `ModuleError.notTrainable` for a weight that is not a tensor.
    public func train(_ pattern: String) throws {
        for leaf in try find(pattern) {
            for parameter in leaf.parameters where !(parameter.value is Tensor) {
                throw ModuleError.notTrainable(path: parameter.path, storedType: parameter.value.storedType)
            }
            try leaf.replaceParameters { _, tensor in
                if tensor.requiresGrad { return tensor }
                let plain = try tensor.to(.float32)
                return try (plain.storage === tensor.storage ? plain.copied() : plain).requiringGrad()
            }
        }
    }

    /// The gradient of a parameter; nil before the first backward pass.
    /// - Parameter path: the whole path of a parameter or of an adapter's parameter: "model.norm.weight".
    /// - Throws: `ModuleError.isFrozen`; `ModuleError.nothingMatches` with similar names.
    public func gradient(_ path: String) throws(ModuleError) -> Tensor? {
        if let parameter = trained.first(where: { $0.name == path }) { return parameter.tensor.gradient }
        let paths = parameters.map(\.path)
        guard !paths.contains(path) else { throw .isFrozen(path: path) }
        throw .nothingMatches(pattern: path, near: ModulePattern(path).nearPaths(paths + trained.map(\.name)))
    }

    /// Converts every parameter that is a tensor to another type. With float64, `Reference` computes the model, in
    /// whole sequences only.
    /// - Parameter trained: whether the converted parameters become leaves of the tape.
    public func convert(to dtype: DType, trained: Bool = false) throws {
        for leaf in leaves {
            try leaf.replaceParameters { _, tensor in
                let converted = try tensor.detach().to(dtype)
                guard trained else { return converted }
                return try (converted.storage === tensor.storage ? converted.copied() : converted).requiringGrad()
            }
        }
    }

    /// Replaces the matrices of the matching linear layers, for example with quantised ones.
    /// - Throws: `ModuleError.wrongShape`, or what `change` throws.
    public func replace(_ pattern: String, with change: (Linear) throws -> any WeightMatrix) throws {
        for case let layer as Linear in try find(pattern) { try layer.replaceMatrix(change(layer)) }
    }

    /// Packs the weights of all linear layers for inference; after an error none is packed.
    /// - Parameter progress: called with the number of layers done and their total.
    /// - Throws: `ModuleError.noRoundedInputs` where `int8Inputs` would change nothing.
    public func prepare(_ precision: Precision, progress: (Int, Int) -> Void = { _, _ in }) throws {
        let linears = linears, before = linears.map(\.precision)
        do {
            for (index, linear) in linears.enumerated() {
                try linear.prepare(precision)
                progress(index + 1, linears.count)
            }
            guard precision != .int8Inputs || linears.contains(where: \.roundsInputs) else {
                throw ModuleError.noRoundedInputs
            }
        } catch {
            for (linear, precision) in zip(linears, before) { linear.unprepare(precision) }
            throw error
        }
    }

    /// Drops what `prepare` packed. Call it when parameters change.
    public func release() { for linear in linears { linear.release() } }

    /// Calls `body` with the result of every matching layer. If `body` returns a tensor of the same shape, it replaces
    /// the result. Do not add hooks while a pass is running.
    /// - Returns: a handle that removes the hook.
    @discardableResult
    public func hook(_ pattern: String, _ body: @escaping LeafHooks.Hook) throws(ModuleError) -> ModuleHook {
        let found = try find(pattern)
        hookCount += 1
        for leaf in found { leaf.hooks.add(hookCount, body) }
        return ModuleHook(id: hookCount, leaves: found)
    }
}

/// Removes a hook.
public struct ModuleHook {
    let id: Int
    let leaves: [any ModuleLeaf]
    public func remove() { for leaf in leaves { leaf.hooks.remove(id) } }
}
