/// Gradients of reductions.
extension Tensor {
    /// Records `result = operation(x)`; `result` keeps the reduced axes with extent 1.
    static func recordReduced(
        _ operation: ReductionOperation, _ x: Tensor, _ reduced: [Bool], _ result: Tensor
    ) -> Tensor {
        guard isRecording(x) else { return result }
        let x0 = x.withoutOrigin, shape = x.shape
        switch operation {
        case .sum:
            return result.recorded("sum", [x]) { flow in try flow.give(0, flow.gradient.expand(Array(shape))) }
        case .maximum, .minimum:
            return result.recorded(operation.rawValue, [x], saved: [x0, result]) { flow in
                // Elements that tie share the gradient equally, as in PyTorch's amax and amin.
                let chosen = try (x0 .== result).to(x0.dtype)
                let axes = reduced.indices.filter { reduced[$0] }
                let count = axes.isEmpty ? chosen : try chosen.sum(axes: axes, keepDimensions: true)
                try flow.give(0, chosen * (flow.gradient / count))
            }
        case .product:
            return result.recorded("prod", [x], saved: [x0]) { flow in
                try flow.give(0, flow.gradient * x0.productOfOthers(reduced))
            }
        }
    }

    /// For each element the product of all other elements along the reduced axes, correct with zeros too: the product
    /// of the elements before it times the product of those after it.
    private func productOfOthers(_ reduced: [Bool]) throws -> Tensor {
        let axes = reduced.indices.filter { reduced[$0] }, kept = reduced.indices.filter { !reduced[$0] }
        let moved = try permute(kept + axes).copied()
        let width = axes.reduce(1) { $0 * shape[$1] }
        let rows = try moved.reshape(-1, width).to(.float64)
        let result = try Tensor.ones(rows.shape, dtype: .float64)
        let from = rows.pointer(as: Double.self), to = result.pointer(as: Double.self)
        for row in 0..<rows.shape[0] {
            var product = 1.0
            for column in 0..<width {
                to[row * width + column] = product
                product *= from[row * width + column]
            }
            product = 1
            for column in stride(from: width - 1, through: 0, by: -1) {
                to[row * width + column] *= product
                product *= from[row * width + column]
            }
        }
        var back = Array(0..<rank)
        for (place, axis) in (kept + axes).enumerated() { back[axis] = place }
        return try result.to(dtype).reshape(moved.shape).permute(back)
    }
}
