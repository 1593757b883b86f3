extension Tensor {
    /// The names of the operations this tensor was computed by, as far back as the tape goes.
    package var operations: Set<String> {
        var names: Set<String> = [], seen: Set<ObjectIdentifier> = []
        var waiting = [origin?.node].compactMap { $0 }
        while let node = waiting.popLast() {
            guard seen.insert(ObjectIdentifier(node)).inserted else { continue }
            if !node.isLeaf { names.insert(node.operation) }
            waiting += node.inputs.compactMap { $0?.node }
        }
        return names
    }
}
