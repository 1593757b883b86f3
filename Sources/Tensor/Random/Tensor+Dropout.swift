extension Tensor {
    /// Each element with `probability` 0, else divided by 1 − probability (Srivastava et al. 2014).
    ///
    /// Which elements go is a function of the stream and the element's place alone: the gradient draws them again
    /// instead of keeping them, and so do recomputation and a resumed run.
    /// - Throws: `TensorError` for a probability outside `0 ..< 1`.
    public func dropout(_ probability: Double, stream: RandomStream) throws(TensorError) -> Tensor {
        guard (0..<1).contains(probability) else {
            throw TensorError(.argument, "dropout", "probability \(probability) is not in 0 ..< 1")
        }
        guard dtype.isFloatingPoint else { throw TensorError(.dtype, "dropout", "of \(dtype.name) elements") }
        if probability == 0 { return self }
        func kept(_ x: Tensor) throws(TensorError) -> Tensor {
            var stream = stream
            let mask = try Tensor.bernoulli(x.shape, p: 1 - probability, using: &stream)
            return try Tensor.where(mask, x * (1 / (1 - probability)), 0.0)
        }
        let result = try kept(withoutOrigin)
        guard Tensor.isRecording(self) else { return result }
        return result.recorded("dropout", [self]) { flow in try flow.give(0, kept(flow.gradient)) }
    }
}
