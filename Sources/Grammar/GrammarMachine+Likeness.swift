extension GrammarMachine {
    /// For every state a representative: no text of up to `length` bytes distinguishes the two, on any stack, so their
    /// masks are equal. Strings and arrays with counted lengths have thousands of states, of which few differ in this
    /// sense.
    ///
    /// Partition refinement: states are partitioned by their kind, then `length` times by the targets of bytes. Calls
    /// read nothing, so each round repeats until calls refine no further. If this takes more than `work` edges, every
    /// state represents itself.
    /// on until calls part no further. Where that takes more than `work` edges, every state stands for itself.
    static func likeness(
        _ states: [State], _ ranges: [ByteAutomaton.Range], _ calls: [Call], length: Int, work: Int
    ) -> [Int32] {
        let itself = states.indices.map { Int32($0) }
        var classes = states.map { Int32($0.isFinal ? 1 : 0) }
        var classCount = 0
        var spent = 0
        let size = states.count + ranges.count + calls.count

        /// Refines the classes by the signatures of their members; returns the number of classes.
        func part(_ signature: (State, inout [Int32]) -> Void) -> Int {
            var numbers: [[Int32]: Int32] = [:]
            var result = [Int32](repeating: 0, count: states.count)
            var key: [Int32] = []
            for (index, state) in states.enumerated() {
                key.removeAll(keepingCapacity: true)
                key.append(classes[index])
                signature(state, &key)
                if let number = numbers[key] {
                    result[index] = number
                } else {
                    result[index] = Int32(numbers.count)
                    numbers[key] = Int32(numbers.count)
                }
            }
            classes = result
            spent += size
            return numbers.count
        }

        for _ in 0...length {
            let before = classes
            let count = part { state, key in
                for range in ranges[Int(state.firstRange)..<Int(state.lastRange)] {
                    key.append(Int32(range.low) << 8 | Int32(range.high))
                    key.append(before[Int(range.target)])
                }
            }
            var settled = count
            while spent < work {
                let parted = classes
                let next = part { state, key in
                    for call in calls[Int(state.firstCall)..<Int(state.lastCall)] {
                        key.append(parted[Int(call.start)])
                        key.append(parted[Int(call.target)])
                        key.append(call.isTail ? 1 : 0)
                    }
                }
                if next == settled { break }
                settled = next
            }
            guard spent < work else { return itself }
            // A round without refinement: the partition is final.
            if settled == classCount { break }
            classCount = settled
        }
        var first: [Int32: Int32] = [:]
        return states.indices.map { index in
            if let known = first[classes[index]] { return known }
            first[classes[index]] = Int32(index)
            return Int32(index)
        }
    }
}
