/// A custom operation: any forward computation together with its own gradient (PyTorch's `autograd.Function`).
///
/// ```swift
/// let y = try differentiable("exp", [x]) { [try $0[0].exp()] }
///     backward: { gradients, inputs, outputs in [try gradients[0].map { try $0 * outputs[0] }] }
/// ```
///
/// - Parameters:
///   - name: the name of the operation in errors and profiles.
///   - inputs: the tensors that gradients may flow to.
///   - backward: receives the gradients of the results (nil where none arrived), the inputs and the results;
///     returns one gradient per input, nil for an input without one. Must not modify its arguments.
/// - Returns: the results of `forward`, on the tape where an input requires a gradient.
/// - Throws: what `forward` throws. During `backward()`: `TensorError` of kind `.gradient` when the number of
///   returned gradients is not the number of inputs, and what `backward` throws.
public func differentiable(
    _ name: String, _ inputs: [Tensor], forward: ([Tensor]) throws -> [Tensor],
    backward: @escaping (_ gradients: [Tensor?], _ inputs: [Tensor], _ outputs: [Tensor]) throws -> [Tensor?]
) throws -> [Tensor] {
    let plain = inputs.map(\.withoutOrigin)
    let outputs = try noGrad { try forward(plain).map(\.withoutOrigin) }
    guard Tensor.isRecording(inputs) else { return outputs }
    return Tensor.record(name, inputs, outputs, saved: plain + outputs) { flow in
        let gradients = outputs.indices.map { flow.gradient($0) }
        let back = try backward(gradients, plain, outputs)
        guard back.count == plain.count else {
            throw TensorError(.gradient, name, "\(back.count) gradients came back for \(plain.count) inputs")
        }
        for (index, gradient) in back.enumerated() {
            if let gradient { try flow.give(index, gradient) }
        }
    }
}

/// Activation checkpointing (Chen et al. 2016): runs `body` without saving its intermediate results, and runs it a
/// second time during the backward pass. Less memory for more computation.
///
/// The results and gradients are the same as those of `body` itself; `body` must compute the same result both times.
/// Tensors captured by `body`, such as the parameters of a layer, receive their gradients too.
///
/// ```swift
/// let y = try checkpointed([x]) { [try block($0[0])] }[0]
/// ```
public func checkpointed(_ inputs: [Tensor], _ body: @escaping ([Tensor]) throws -> [Tensor]) throws -> [Tensor] {
    let plain = inputs.map(\.withoutOrigin)
    let outputs = try noGrad { try body(plain).map(\.withoutOrigin) }
    guard isGradientEnabled else { return outputs }
    // Recorded even when no input requires a gradient: a parameter captured by `body` may require one.
    return Tensor.record("checkpointed", inputs, outputs, saved: plain) { flow in
        let (leaves, again) = try enableGrad {
            let leaves = try plain.enumerated().map { index, input in
                flow.needs(index) ? try input.requiringGrad() : input
            }
            return (leaves, try body(leaves))
        }
        var seeds: [(GradientOrigin, Tensor)] = []
        for (index, output) in again.enumerated() {
            if let origin = output.origin, let gradient = flow.gradient(index) { seeds.append((origin, gradient)) }
        }
        try GradientPass(retainGraph: false).run(seeds)
        for (index, leaf) in leaves.enumerated() {
            if let gradient = leaf.gradient { try flow.give(index, gradient) }
        }
    }
}
