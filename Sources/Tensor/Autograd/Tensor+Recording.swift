/// How operations record themselves on the tape.
///
/// ```swift
/// let result = try noGrad { try a * b }
/// guard Tensor.isRecording(a, b) else { return result }
/// return result.recorded("multiply", [a, b], saved: [a, b]) { flow in
///     guard let gradient = flow.gradient(0) else { return }
///     try flow.give(0, gradient * b)
///     try flow.give(1, gradient * a)
/// }
/// ```
///
/// `backward` may hold `result` (it has no origin yet, so there is no cycle) and the inputs. It runs without recording.
extension Tensor {
    /// Whether an operation on these operands belongs on the tape.
    @inline(__always)
    package static func isRecording(_ a: Tensor) -> Bool { a.origin != nil && isGradientEnabled }
    @inline(__always)
    package static func isRecording(_ a: Tensor, _ b: Tensor) -> Bool {
        (a.origin != nil || b.origin != nil) && isGradientEnabled
    }
    package static func isRecording(_ tensors: [Tensor?]) -> Bool {
        tensors.contains { $0?.origin != nil } && isGradientEnabled
    }

    /// This result, connected to `inputs` on the tape.
    /// - Parameters:
    ///   - saved: the tensors whose elements `backward` reads; they must not change until then.
    ///   - remake: computes the same bits again from the saved tensors, where that costs little; see `KeptValue`.
    package func recorded(
        _ operation: String, _ inputs: [Tensor?], saved: [Tensor] = [], remake: (() throws -> Tensor)? = nil,
        backward: @escaping GradientNode.Backward
    ) -> Tensor {
        Tensor.record(operation, inputs, [self], saved: saved, remake: remake, backward: backward)[0]
    }

    /// Several results of one operation.
    package static func record(
        _ operation: String, _ inputs: [Tensor?], _ results: [Tensor], saved: [Tensor] = [],
        remake: (() throws -> Tensor)? = nil, backward: @escaping GradientNode.Backward
    ) -> [Tensor] {
        OperationSpan.count(
            bytes: (inputs.compactMap { $0 } + results).reduce(0) { $0 + $1.elementBytes })
        let node = GradientNode(
            operation, inputs: inputs.map { $0?.origin }, outputs: results.map { ($0.shape, $0.dtype) }, saved: saved,
            remake: remake, backward: backward)
        return results.enumerated().map { index, result in
            var result = result
            // Integer results have no gradient.
            if result.dtype.isFloatingPoint { result.origin = GradientOrigin(node: node, index: index) }
            return result
        }
    }
}
