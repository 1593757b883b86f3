/// The argument of a node's backward function: the gradients of the node's results, and access to its inputs.
package struct GradientFlow {
    private let node: GradientNode
    /// Whether the graph is freed during this pass (`retainGraph: false`), so that saved tensors may be overwritten.
    package let isLast: Bool

    init(_ node: GradientNode, isLast: Bool) {
        self.node = node
        self.isLast = isLast
    }

    /// Whether input `index` requires a gradient.
    package func needs(_ index: Int) -> Bool { node.inputs[index] != nil }

    /// The gradient of the first result.
    package var gradient: Tensor {
        get throws { try gradient(0) ?? zeros(0) }
    }

    /// The gradient of a result, nil where nothing depends on it.
    package func gradient(_ index: Int) -> Tensor? { node.pending[index] }

    /// The gradient of a result as contiguous elements.
    package func contiguousGradient(_ index: Int = 0) throws -> Tensor {
        let gradient = try node.pending[index] ?? zeros(index)
        return gradient.isContiguous ? gradient : gradient.copied()
    }

    private func zeros(_ index: Int) throws -> Tensor {
        try Tensor.zeros(node.outputs[index].shape, dtype: node.outputs[index].dtype)
    }

    /// Adds `gradient` to the gradient accumulated for input `index`.
    package func give(_ index: Int, _ gradient: @autoclosure () throws -> Tensor) throws {
        guard let origin = node.inputs[index] else { return }
        let incoming = try gradient()
        let expected = origin.node.outputs[origin.index]
        guard incoming.shape == expected.shape else {
            throw TensorError(
                .gradient, node.operation,
                "the gradient of input \(index) has shape \(incoming.shape), the input \(expected.shape)")
        }
        let fitting = incoming.dtype == expected.dtype ? incoming : try incoming.to(expected.dtype)
        try origin.node.receive(fitting.withoutOrigin, at: origin.index)
    }

    /// Lets `body` write the gradient of input `index`, or accumulate into the existing one: the second argument says
    /// which. The destination is contiguous and has the input's shape and type.
    package func write(_ index: Int, _ body: (_ destination: Tensor, _ accumulate: Bool) throws -> Void) throws {
        guard let origin = node.inputs[index] else { return }
        try origin.node.receive(at: origin.index, body)
    }
}

extension GradientNode {
    /// Whether gradients may be accumulated in `gradient` at once, before this pass has ended.
    private var takesDirectly: Bool { isLeaf && hooks.isEmpty }

    fileprivate func receive(_ incoming: Tensor, at index: Int) throws {
        if takesDirectly {
            // The stored gradient must not share memory with another tensor: optimisers and clipping write to it.
            if gradient == nil {
                gradient = incoming.isContiguous && incoming.isOnlyView ? incoming : incoming.copied()
            } else {
                try accumulateIntoGradient(incoming)
            }
        } else if pending[index] == nil {
            pending[index] = incoming
        } else {
            try accumulate(incoming, into: &pending[index])
        }
    }

    /// The slot is empty while `body` runs, so that a recorder may read the node's gradients meanwhile.
    fileprivate func receive(at index: Int, _ body: (Tensor, Bool) throws -> Void) throws {
        let isDirect = takesDirectly
        let present = isDirect ? Self.claimed(&gradient) : Self.claimed(&pending[index])
        if let present { return try body(present, true) }
        let fresh = Tensor(uninitialized: outputs[index].shape, dtype: outputs[index].dtype)
        try body(fresh, false)
        if isDirect {
            gradient = fresh
        } else {
            pending[index] = fresh
        }
    }

    /// The tensor in the slot if no other tensor shares its memory; the slot becomes empty.
    private static func claimed(_ slot: inout Tensor?) -> Tensor? {
        if slot != nil, !slot.isUnshared { slot = slot?.copied() }
        return slot
    }

    private func accumulateIntoGradient(_ incoming: Tensor) throws {
        // Taken out of the property first, so that its storage has one reference (see `receive`).
        var held = gradient
        gradient = nil
        defer { gradient = held }
        try accumulate(incoming, into: &held)
    }

    private func accumulate(_ incoming: Tensor, into slot: inout Tensor?) throws {
        if slot.isUnshared, let destination = slot {
            try destination.primitives.binary(.add, destination, incoming, into: destination)
        } else if let present = slot {
            slot = try present + incoming
        }
    }

    /// Moves what has accumulated at a leaf with hooks into its gradient.
    func settle() throws {
        guard let arrived = pending[0] else { return }
        pending[0] = nil
        if gradient == nil {
            gradient = arrived.copied()
        } else {
            try accumulateIntoGradient(arrived)
        }
    }
}

extension Tensor {
    /// The same elements without a connection to the tape.
    package var withoutOrigin: Tensor {
        Tensor(storage: storage, byteOffset: byteOffset, dtype: dtype, shape: shape, strides: strides)
    }

    /// Whether the tensor covers its whole storage.
    fileprivate var isOnlyView: Bool { byteOffset == 0 && storage.byteCount == elementCount * dtype.blockByteCount }
}

extension Optional<Tensor> {
    /// Whether no other tensor shares these elements, so that they may be overwritten. 16-bit floats are never added in
    /// place: their sums are computed in float32.
    fileprivate var isUnshared: Bool {
        mutating get {
            guard self != nil, self!.isContiguous, self!.dtype == self!.dtype.computed else { return false }
            return isKnownUniquelyReferenced(&self!.storage)
        }
    }
}
