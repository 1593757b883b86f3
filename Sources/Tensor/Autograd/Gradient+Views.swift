/// Gradients of views, copies and conversions: the elements go back to where they came from.
extension Tensor {
    /// Notes a view whose gradient is another view of the gradient, or a sum over it.
    func recordedView(
        _ operation: String, of x: Tensor, _ back: @escaping (Tensor) throws -> Tensor
    ) -> Tensor {
        guard Tensor.isRecording(x) else { return self }
        return withoutOrigin.recorded(operation, [x]) { flow in try flow.give(0, back(flow.gradient)) }
    }

    /// Notes a view of part of `x`: the gradient is zero elsewhere. `place` finds the part again in a tensor like x.
    func recordedPart(
        _ operation: String, of x: Tensor, _ place: @escaping (Tensor) throws -> Tensor
    ) -> Tensor {
        guard Tensor.isRecording(x) else { return self }
        return withoutOrigin.recorded(operation, [x]) { flow in
            let gradient = try flow.gradient
            try flow.write(0) { destination, accumulate in
                if !accumulate { try destination.fill(0) }
                try place(destination) += gradient
            }
        }
    }

    /// Notes the same elements in another order of axes, shape or type.
    func recordedReshape(of x: Tensor) -> Tensor {
        let before = x.shape
        return recordedView("reshape", of: x) { try $0.reshape(before) }
    }
}
