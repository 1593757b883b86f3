/// Reverse-mode differentiation as a PyTorch user knows it: leaves made with `requiresGrad`, a tape written by every
/// operation on them, `backward()` on a scalar, gradients that add up in `gradient`.
extension Tensor {
    /// Whether operations on this tensor are noted, because it is a leaf that wants a gradient or depends on one.
    public var requiresGrad: Bool { origin != nil }

    /// Whether this tensor is where gradients end: it was not computed from others, or nothing was noted.
    public var isLeaf: Bool { origin?.node.isLeaf ?? true }

    /// A leaf over the same storage that wants a gradient. Copies of the result share the gradient.
    /// - Throws: `TensorError` where the elements are no floating-point numbers.
    public func requiringGrad() throws(TensorError) -> Tensor {
        guard dtype.isFloatingPoint else {
            throw TensorError(.gradient, "requiringGrad", "\(dtype.name) elements have no gradient")
        }
        var leaf = self
        let node = GradientNode(
            "leaf", inputs: [], outputs: [(shape, dtype)], saved: [], isLeaf: true, backward: nil)
        leaf.origin = GradientOrigin(node: node, index: 0)
        return leaf
    }

    /// The same elements cut off from the tape.
    public func detach() -> Tensor { withoutOrigin }

    /// The gradient that has arrived at this leaf (or at a result after `retainGradient`), added up since it was last
    /// cleared. Never on the tape itself.
    public var gradient: Tensor? {
        get { origin?.node.gradient }
        nonmutating set { origin?.node.gradient = newValue }
    }

    /// Keeps the gradient of this result too, as leaves do.
    public func retainGradient() { origin?.node.retains = true }

    /// Calls `body` with the gradient of this tensor whenever one has been computed; a tensor returned takes its place.
    /// - Returns: a handle with which the hook is removed again.
    @discardableResult
    public func addGradientHook(_ body: @escaping (Tensor) throws -> Tensor?) -> GradientHook? {
        guard let origin else { return nil }
        let id = (origin.node.hooks.last?.id ?? 0) + 1
        origin.node.hooks.append((origin.index, id, body))
        return GradientHook(node: origin.node, id: id)
    }

    /// Fills in the gradients of all leaves this tensor was computed from: dself/dleaf, times `gradient`, added to
    /// what they have.
    /// - Parameters:
    ///   - gradient: of the same shape; 1 for a scalar when it is left out.
    ///   - retainGraph: keeps the tape for another pass; otherwise it is freed on the way.
    /// - Throws: `TensorError` of kind `.gradient`: nothing to differentiate, a graph that was freed, a tensor that was
    ///   changed in place after it was noted; or what a custom function or a hook throws.
    public func backward(gradient: Tensor? = nil, retainGraph: Bool = false) throws {
        guard let origin else {
            throw TensorError(
                .gradient, "backward", "this tensor of shape \(shape) does not depend on one that requires a gradient")
        }
        let seed: Tensor
        if let gradient {
            guard gradient.shape == shape else {
                throw TensorError(.gradient, "backward", "a gradient of \(gradient.shape) does not fit \(shape)")
            }
            seed = gradient.withoutOrigin
        } else {
            guard elementCount == 1 else {
                throw TensorError(
                    .gradient, "backward", "shape \(shape) is no scalar: pass the gradient that should flow back")
            }
            seed = try Tensor.ones(shape, dtype: dtype)
        }
        try GradientPass(retainGraph: retainGraph).run([(origin, try seed.to(dtype))])
    }
}

/// Removes a hook.
public struct GradientHook: Sendable {
    let node: GradientNode
    let id: Int
    public func remove() { node.hooks.removeAll { $0.id == id } }
}
