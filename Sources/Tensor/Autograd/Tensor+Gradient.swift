/// Reverse-mode automatic differentiation with PyTorch's interface: leaves made with `requiringGrad`, a tape written by
/// every operation on them, `backward()` on a scalar, gradients that accumulate in `gradient`.
///
/// ```swift
/// let w = try Tensor.ones([2]).requiringGrad()
/// let loss = try (w * w).sum()
/// try loss.backward()
/// w.gradient   // dloss/dw = 2 w = [2, 2]
/// ```
extension Tensor {
    /// Whether operations on this tensor are recorded: it is a leaf that requires a gradient, or depends on one.
    public var requiresGrad: Bool { origin != nil }

    /// Whether the backward pass ends at this tensor: it was not computed from others, or its computation was not
    /// recorded.
    public var isLeaf: Bool { origin?.node.isLeaf ?? true }

    /// A leaf over the same storage that requires a gradient. Copies of the result share the gradient.
    /// - Throws: `TensorError` of kind `.gradient` when the elements are not floating-point numbers.
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

    /// The same elements without a connection to the tape.
    public func detach() -> Tensor { withoutOrigin }

    /// The gradient accumulated at this leaf (or at a result after `retainGradient`) since it was last cleared. It is
    /// never on the tape itself.
    public var gradient: Tensor? {
        get { origin?.node.gradient }
        nonmutating set { origin?.node.gradient = newValue }
    }

    /// Keeps the gradient of this result, as leaves do.
    public func retainGradient() { origin?.node.retains = true }

    /// Calls `body` with the gradient of this tensor whenever one has been computed; a tensor that `body` returns
    /// replaces it.
    /// - Returns: a handle that removes the hook.
    @discardableResult
    public func addGradientHook(_ body: @escaping (Tensor) throws -> Tensor?) -> GradientHook? {
        guard let origin else { return nil }
        let id = (origin.node.hooks.last?.id ?? 0) + 1
        origin.node.hooks.append((origin.index, id, body))
        return GradientHook(node: origin.node, id: id)
    }

    /// Computes the gradients of all leaves this tensor depends on, dself/dleaf times `gradient`, and adds them to the
    /// leaves' `gradient`.
    /// - Parameters:
    ///   - gradient: the gradient of this tensor, of the same shape; 1 by default, for scalars only.
    ///   - retainGraph: keeps the graph for another backward pass; otherwise it is freed during the pass.
    /// - Throws: `TensorError` of kind `.gradient` when this tensor does not depend on a leaf, when the graph was
    ///   freed, or when a saved tensor was changed in place after it was recorded; also what a custom function or a
    ///   hook throws.
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
