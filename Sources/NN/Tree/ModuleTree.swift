import MartletTensor

/// The layers of a model by their paths, in the order they were built: what is found, frozen, trained, replaced,
/// prepared, hooked and counted by name.
///
/// Layers enter themselves while the model is built on a `ModuleTree.Builder`, so none can be forgotten.
///
/// ```swift
/// try model.tree.freeze("embed_tokens")
/// for layer in try model.tree.find("layers.*.self_attn.q_proj") { print(layer.path) }
/// let hook = try model.tree.hook("layers.3.mlp.down_proj") { path, result in print(path, result.shape); return nil }
/// ```
public final class ModuleTree {
    public private(set) var leaves: [any ModuleLeaf] = []
    private var hookCount = 0

    public init() {}

    /// Passes on what a source gives, and hears of every layer that is built with it.
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
            tree.leaves.append(leaf)
            source.register(leaf)
        }
    }

    public var linears: [Linear] { leaves.compactMap { $0 as? Linear } }

    /// Every parameter once.
    public var parameters: [ModuleParameter] { leaves.flatMap(\.parameters) }

    /// The tensors that all parameters are stored in.
    package var storedTensors: [Tensor] { parameters.flatMap(\.value.storedTensors) }

    /// What an optimiser works on: the parameters that want gradients, then those of adapters, layer by layer.
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

    /// - Throws: `ModuleError.nothingMatches` with names that look like it.
    public func find(_ pattern: String) throws(ModuleError) -> [any ModuleLeaf] {
        let wanted = ModulePattern(pattern)
        let found = leaves.filter(wanted.matches)
        guard !found.isEmpty else {
            throw .nothingMatches(pattern: pattern, near: wanted.near(leaves.map(\.path)))
        }
        return found
    }

    /// The matching parameters want no gradients any more.
    public func freeze(_ pattern: String) throws(ModuleError) {
        for leaf in try find(pattern) { leaf.replaceParameters { $1.detach() } }
    }

    /// The matching parameters become float32 leaves of the tape, of memory of their own.
    /// - Throws: `ModuleError.notTrainable` for a form of weights that is no tensor.
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

    /// The gradient that a parameter has been given, nil before the first pass backwards.
    /// - Parameter path: the whole path of a parameter, of an adapter's too: "model.norm.weight".
    /// - Throws: `ModuleError.isFrozen`; `ModuleError.nothingMatches` with names that look like it.
    public func gradient(_ path: String) throws(ModuleError) -> Tensor? {
        if let parameter = trained.first(where: { $0.name == path }) { return parameter.tensor.gradient }
        let paths = parameters.map(\.path)
        guard !paths.contains(path) else { throw .isFrozen(path: path) }
        throw .nothingMatches(pattern: path, near: ModulePattern(path).nearPaths(paths + trained.map(\.name)))
    }

    /// Every parameter that is a tensor as another type. As float64 the model is computed by `Reference`, in whole
    /// sequences. - Parameter trained: whether they become leaves of the tape.
    public func convert(to dtype: DType, trained: Bool = false) throws {
        for leaf in leaves {
            try leaf.replaceParameters { _, tensor in
                let converted = try tensor.detach().to(dtype)
                guard trained else { return converted }
                return try (converted.storage === tensor.storage ? converted.copied() : converted).requiringGrad()
            }
        }
    }

    /// Puts other matrices in place of those of the matching linear layers, such as quantised ones.
    /// - Throws: `ModuleError.wrongShape`, or what `change` throws.
    public func replace(_ pattern: String, with change: (Linear) throws -> any WeightMatrix) throws {
        for case let layer as Linear in try find(pattern) { try layer.replaceMatrix(change(layer)) }
    }

    /// Rearranges the weights of all linear layers for inference.
    /// - Parameter progress: called with the number of layers done and their total.
    public func prepare(_ precision: Precision, progress: (Int, Int) -> Void = { _, _ in }) throws {
        let linears = linears
        for (index, linear) in linears.enumerated() {
            try linear.prepare(precision)
            progress(index + 1, linears.count)
        }
    }

    /// Forgets what `prepare` made, as must be done when parameters change.
    public func release() { for linear in linears { linear.release() } }

    /// Lets `body` see the result of every matching layer, and put another of the same shape in its place by giving one
    /// back. Not for use while a pass is under way.
    /// - Returns: a handle that takes the hook away again.
    @discardableResult
    public func hook(_ pattern: String, _ body: @escaping LeafHooks.Hook) throws(ModuleError) -> ModuleHook {
        let found = try find(pattern)
        hookCount += 1
        for leaf in found { leaf.hooks.add(hookCount, body) }
        return ModuleHook(id: hookCount, leaves: found)
    }
}

/// Takes a hook away.
public struct ModuleHook {
    let id: Int
    let leaves: [any ModuleLeaf]
    public func remove() { for leaf in leaves { leaf.hooks.remove(id) } }
}
