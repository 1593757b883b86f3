/// The elements of an operand that a gradient needs: kept in memory, or computed again when the gradient is.
///
/// Norms and gated activations take one pass over memory and save their own operands for their own gradients. What follows
/// them need not keep their result as well: it holds the node that made it, and asks for the result again. A node is
/// older than those that use its result, so it has not been freed when they are visited. The bits are the same.
package enum KeptValue {
    case elements(Tensor)
    case remade(GradientNode)

    /// - Parameter remaking: whether to drop what can be computed again.
    package init(_ x: Tensor, remaking: Bool) {
        if remaking, let origin = x.origin, origin.index == 0, origin.node.remake != nil {
            self = .remade(origin.node)
        } else {
            self = .elements(x.withoutOrigin)
        }
    }

    /// What a node that keeps this value saves.
    package var saved: [Tensor] {
        if case .elements(let x) = self { [x] } else { [] }
    }

    /// The elements, without a connection to the tape.
    /// - Throws: `TensorError` of kind `.gradient` where what they are computed from has changed in place or was freed.
    package func tensor() throws -> Tensor {
        switch self {
        case .elements(let x): return x
        case .remade(let node):
            try node.checkSaved()
            guard let remake = node.remake else {
                throw TensorError(
                    .gradient, node.operation,
                    "its result is needed for a gradient, but the graph has been freed by an earlier backward")
            }
            let span = OperationSpan(node.operation)
            defer { span.end() }
            return try noGrad { try remake() }
        }
    }
}
