extension Tensor {
    /// Dropout: each element becomes 0 with the given probability, else it is divided by 1 − probability (Srivastava et
    /// al. 2014).
    ///
    /// What is dropped is a function of the stream and the element's index only: backward passes, recomputation and
    /// resumed runs draw it again instead of storing it.
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
