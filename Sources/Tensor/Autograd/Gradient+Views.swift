/// Gradients of views, copies and conversions: each gradient element returns to the element it came from.
extension Tensor {
    /// Records a view whose gradient is another view of the gradient, or a sum over it.
    func recordedView(
        _ operation: String, of x: Tensor, _ back: @escaping (Tensor) throws -> Tensor
    ) -> Tensor {
        guard Tensor.isRecording(x) else { return self }
        return withoutOrigin.recorded(operation, [x]) { flow in try flow.give(0, back(flow.gradient)) }
    }

    /// Records a view of part of `x`: the gradient is zero elsewhere. `place` selects the same part of a tensor shaped
    /// like x.
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

    /// Records a function whose gradient follows from its own value and the incoming gradient.
    func recordedFunction(
        _ operation: String, of x: Tensor, _ back: @escaping (Tensor, Tensor) throws(TensorError) -> Tensor
    ) -> Tensor {
        guard Tensor.isRecording(x) else { return self }
        let value = withoutOrigin
        return value.recorded(operation, [x], saved: [value]) { flow in try flow.give(0, back(value, flow.gradient)) }
    }

    /// Records a view in which elements appear more than once; `add` adds the gradient to a tensor shaped like x.
    func recordedSum(
        _ operation: String, of x: Tensor, _ add: @escaping (_ destination: Tensor, _ gradient: Tensor) throws -> Void
    ) -> Tensor {
        guard Tensor.isRecording(x) else { return self }
        return withoutOrigin.recorded(operation, [x]) { flow in
            let gradient = try flow.gradient
            try flow.write(0) { destination, accumulate in
                if !accumulate { try destination.fill(0) }
                try add(destination, gradient)
            }
        }
    }

    /// Records the same elements in another order of axes, shape or type.
    func recordedReshape(of x: Tensor) -> Tensor {
        let before = x.shape
        return recordedView("reshape", of: x) { try $0.reshape(before) }
    }
}
