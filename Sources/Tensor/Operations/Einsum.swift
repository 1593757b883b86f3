/// Einstein summation, as in NumPy and PyTorch: `"bij,bjk->bik"`, `"...i,i"`, `"ii->i"`.
///
/// Each step is one of three: a repeated letter becomes a diagonal; a letter that occurs in no later operand and not in
/// the result is summed over; two operands are permuted to `[shared and kept, own, summed]` and multiplied as one
/// batched matrix product. Operands are contracted from left to right.
public func einsum(_ equation: String, _ operands: Tensor...) throws(TensorError) -> Tensor {
    try einsum(equation, operands)
}

public func einsum(_ equation: String, _ operands: [Tensor]) throws(TensorError) -> Tensor {
    let plan = try EinsumPlan(equation, operands)
    let remaining = plan.inputs
    var current = try plan.prepared(operands[0], remaining[0], needed: plan.needed(after: 0))
    for place in 1..<Swift.max(operands.count, 1) {
        let later = plan.needed(after: place)
        let own = try plan.prepared(
            operands[place], remaining[place], needed: later.union(current.labels))
        current = try plan.contract(current, own, needed: later)
    }
    // All letters of the result are present now, in some order.
    let order = plan.output.map { label in current.labels.firstIndex(of: label) ?? 0 }
    return try current.tensor.permute(order)
}

/// The parsed letters of an equation; an ellipsis is expanded to one unnamed letter per dimension.
private struct EinsumPlan {
    typealias Label = Int
    typealias Labelled = (tensor: Tensor, labels: [Label])
    let equation: String
    var inputs: [[Label]] = []
    var output: [Label] = []

    init(_ equation: String, _ operands: [Tensor]) throws(TensorError) {
        self.equation = equation
        func malformed(_ why: String) -> TensorError {
            TensorError(.argument, "einsum", "equation \"\(equation)\": \(why)")
        }
        let text = equation.utf8.filter { $0 != UInt8(ascii: " ") }
        let arrow = Self.arrow(text)
        let terms = text[..<(arrow?.lowerBound ?? text.endIndex)]
            .split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard terms.count == operands.count, !operands.isEmpty else {
            throw malformed("\(terms.count) terms for \(operands.count) operands")
        }
        var extents: [Label: Int] = [:]
        var ellipsisRank = 0
        for (term, operand) in zip(terms, operands) {
            try operand.requirePlain("einsum")
            let (before, after) = try Self.letters(term, malformed)
            let named = before.count + (after?.count ?? 0)
            guard after == nil ? named == operand.rank : named <= operand.rank else {
                throw malformed("\(named) letters for an operand of shape \(operand.shape)")
            }
            // The unnamed letters of an ellipsis are numbered down from -1 for the last, so that they align at the
            // right.
            let hidden = after == nil ? 0 : operand.rank - named
            ellipsisRank = Swift.max(ellipsisRank, hidden)
            let labels = before + (0..<hidden).map { $0 - hidden } + (after ?? [])
            inputs.append(labels)
            for (axis, label) in labels.enumerated() {
                let extent = operand.shape[axis], known = extents[label] ?? 1
                guard known == 1 || extent == 1 || known == extent else {
                    let name = label < 0 ? "..." : String(UnicodeScalar(UInt8(label)))
                    throw TensorError(
                        .shape, "einsum",
                        "equation \"\(equation)\": \(name) is both \(known) and \(extent) in shapes "
                            + operands.map(\.shape.description).joined(separator: " and "))
                }
                extents[label] = known == 1 ? extent : known
            }
        }
        let hidden = (0..<ellipsisRank).map { $0 - ellipsisRank }
        if let arrow {
            let (before, after) = try Self.letters(text[arrow.upperBound...], malformed)
            output = before + (after.map { hidden + $0 } ?? [])
            guard Set(output).count == output.count else { throw malformed("the result names a letter twice") }
            guard output.allSatisfy({ extents[$0] != nil }) else {
                throw malformed("the result has a letter that no operand has")
            }
        } else {
            var counts: [Label: Int] = [:]
            for label in inputs.joined() where label >= 0 { counts[label, default: 0] += 1 }
            output = hidden + counts.filter { $0.value == 1 }.keys.sorted()
        }
        guard output.count <= Shape.maximumRank else { throw malformed("the result has too many dimensions") }
    }

    private static func arrow(_ text: [UInt8]) -> Range<Int>? {
        for place in text.indices.dropLast() where text[place] == UInt8(ascii: "-") {
            if text[place + 1] == UInt8(ascii: ">") { return place..<place + 2 }
        }
        return nil
    }

    /// The letters before the ellipsis, and those after it, if there is one.
    private static func letters(
        _ term: ArraySlice<UInt8>, _ malformed: (String) -> TensorError
    ) throws(TensorError) -> ([Label], [Label]?) {
        var before: [Label] = []
        var after: [Label]?
        var rest = term
        while let byte = rest.first {
            if byte == UInt8(ascii: ".") {
                guard after == nil, rest.starts(with: "...".utf8) else { throw malformed("a stray dot") }
                after = []
                rest = rest.dropFirst(3)
                continue
            }
            guard (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) else {
                throw malformed("\"\(UnicodeScalar(byte))\" is not a letter")
            }
            if after == nil { before.append(Label(byte)) } else { after?.append(Label(byte)) }
            rest = rest.dropFirst()
        }
        return (before, after)
    }

    func needed(after place: Int) -> Set<Label> {
        Set(output).union(inputs[(place + 1)...].joined())
    }

    /// With each letter once and without letters that are not needed later.
    func prepared(_ tensor: Tensor, _ labels: [Label], needed: Set<Label>) throws(TensorError) -> Labelled {
        var tensor = tensor, labels = labels
        var place = 0
        while place < labels.count {
            if let twin = labels[(place + 1)...].firstIndex(of: labels[place]) {
                guard tensor.shape[place] == tensor.shape[twin] else {
                    throw TensorError(
                        .shape, "einsum",
                        "equation \"\(equation)\": a repeated letter is \(tensor.shape[place]) and "
                            + "\(tensor.shape[twin]) in shape \(tensor.shape)")
                }
                tensor = try tensor.diagonal(place, twin)
                let label = labels[place]
                labels.remove(at: twin)
                labels.remove(at: place)
                labels.append(label)
            } else {
                place += 1
            }
        }
        let summed = labels.indices.filter { !needed.contains(labels[$0]) }
        guard !summed.isEmpty else { return (tensor, labels) }
        return (try tensor.addedUp(summed), labels.filter { needed.contains($0) })
    }

    func contract(_ a: Labelled, _ b: Labelled, needed: Set<Label>) throws(TensorError) -> Labelled {
        let (a, b) = try withoutStretchedSums(a, b, needed)
        let shared = a.labels.filter { b.labels.contains($0) }
        let batch = shared.filter { needed.contains($0) }
        let summed = shared.filter { !needed.contains($0) }
        let left = a.labels.filter { !shared.contains($0) }, right = b.labels.filter { !shared.contains($0) }
        func extents(_ labels: [Label], _ x: Labelled, _ y: Labelled?) -> [Int] {
            labels.map { label in
                let own = x.labels.firstIndex(of: label).map { x.tensor.shape[$0] } ?? 1
                let other = y?.labels.firstIndex(of: label).map { y?.tensor.shape[$0] ?? 1 } ?? 1
                return own == 1 ? other : own
            }
        }
        let batchExtents = extents(batch, a, b), sumExtents = extents(summed, a, b)
        let leftExtents = extents(left, a, nil), rightExtents = extents(right, b, nil)
        func product(_ extents: [Int]) -> Int { extents.reduce(1, *) }
        func arranged(
            _ x: Labelled, _ order: [Label], _ full: [Int], _ grouped: [Int]
        ) throws(TensorError) -> Tensor {
            let permuted = try x.tensor.permute(order.map { label in x.labels.firstIndex(of: label) ?? 0 })
            return try permuted.expand(full).reshape(grouped)
        }
        let count = product(batchExtents), depth = product(sumExtents)
        let matrices = try arranged(
            a, batch + left + summed, batchExtents + leftExtents + sumExtents, [count, product(leftExtents), depth])
        let others = try arranged(
            b, batch + summed + right, batchExtents + sumExtents + rightExtents, [count, depth, product(rightExtents)])
        let labels = batch + left + right
        guard labels.count <= Shape.maximumRank else {
            throw TensorError(
                .shape, "einsum", "equation \"\(equation)\" has an intermediate of \(labels.count) dimensions")
        }
        let result = try matrices.matmul(others)
        return (try result.reshape(batchExtents + leftExtents + rightExtents), labels)
    }

    /// If a summed letter has extent 1 in one operand only, it is summed in the other operand alone.
    private func withoutStretchedSums(
        _ a: Labelled, _ b: Labelled, _ needed: Set<Label>
    ) throws(TensorError) -> (Labelled, Labelled) {
        func reduced(_ x: Labelled, _ y: Labelled) throws(TensorError) -> Labelled {
            let lone = x.labels.indices.filter { axis in
                guard !needed.contains(x.labels[axis]), let other = y.labels.firstIndex(of: x.labels[axis])
                else { return false }
                return x.tensor.shape[axis] != 1 && y.tensor.shape[other] == 1
            }
            if lone.isEmpty { return x }
            return (try x.tensor.addedUp(lone, keepDimensions: true), x.labels)
        }
        let first = try reduced(a, b)
        return (first, try reduced(b, first))
    }
}

extension Tensor {
    /// The sum in this tensor's type, for small integers too.
    fileprivate func addedUp(_ axes: [Int], keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try sum(axes: axes, keepDimensions: keepDimensions).to(dtype)
    }
}
