/// One traversal of the graph from results back to leaves: every node once, results before their inputs.
struct GradientPass {
    let retainGraph: Bool

    func run(_ seeds: [(origin: GradientOrigin, gradient: Tensor)]) throws {
        try noGrad {
            let nodes = reachable(from: seeds.map(\.origin.node))
            // Gradients of a failed pass must not remain for the next one.
            defer { for node in nodes { node.clearPending() } }
            for (origin, gradient) in seeds { try origin.node.seed(gradient, at: origin.index) }
            for node in nodes { try visit(node) }
        }
    }

    private func visit(_ node: GradientNode) throws {
        try node.runHooks()
        if node.retains, let gradient = node.pending.compactMap({ $0 }).first, !node.isLeaf {
            node.gradient = try node.gradient.map { try $0 + gradient } ?? gradient
        }
        if node.isLeaf { return try node.settle() }
        let span = OperationSpan(node.operation, .backward)
        defer { span.end() }
        OperationSpan.count(bytes: node.trafficBytes)
        guard !node.isReleased, let backward = node.backward else {
            throw TensorError(
                .gradient, node.operation,
                "the graph has been freed by an earlier backward; that one needs retainGraph: true")
        }
        try node.checkSaved()
        // No gradient arrived: everything that depends on this node stopped it.
        if node.pending.contains(where: { $0 != nil }) { try backward(GradientFlow(node, isLast: !retainGraph)) }
        node.clearPending()
        if !retainGraph { node.release() }
    }

    /// All nodes reachable from `roots`, youngest first.
    private func reachable(from roots: [GradientNode]) -> [GradientNode] {
        var found: [GradientNode] = []
        var seen: Set<ObjectIdentifier> = []
        var waiting = roots
        while let node = waiting.popLast() {
            guard seen.insert(ObjectIdentifier(node)).inserted else { continue }
            found.append(node)
            for case let input? in node.inputs { waiting.append(input.node) }
        }
        return found.sorted { $0.number > $1.number }
    }
}

extension GradientNode {
    /// A lower bound of the memory traffic of this node's backward: incoming gradients, saved tensors, gradients of the
    /// inputs. Zero where nothing was saved: such nodes only pass gradients on, or count their own traffic.
    fileprivate var trafficBytes: Double {
        func bytes(_ tensor: (shape: Shape, dtype: DType)) -> Double {
            Double(tensor.shape.elementCount) * Double(tensor.dtype.blockByteCount)
        }
        guard !saved.isEmpty else { return 0 }
        return pending.reduce(0) { $0 + ($1?.elementBytes ?? 0) }
            + saved.reduce(0) { $0 + Double($1.storage.byteCount) }
            + inputs.reduce(0) { $0 + ($1.map { bytes($0.node.outputs[$0.index]) } ?? 0) }
    }

    func clearPending() { for index in pending.indices { pending[index] = nil } }

    func seed(_ gradient: Tensor, at index: Int) throws {
        pending[index] = try pending[index].map { try $0 + gradient } ?? gradient
    }

    func runHooks() throws {
        for hook in hooks {
            guard let arrived = pending[hook.index] else { continue }
            guard let replacement = try hook.body(arrived) else { continue }
            guard replacement.shape == arrived.shape else {
                throw TensorError(
                    .gradient, operation, "a hook turned a gradient of \(arrived.shape) into \(replacement.shape)")
            }
            pending[hook.index] = replacement.withoutOrigin
        }
    }
}
