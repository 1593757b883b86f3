extension Tensor {
    /// The names of all operations on the tape that this tensor was computed with.
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
