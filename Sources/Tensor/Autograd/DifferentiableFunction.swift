/// An operation with a gradient of one's own.
///
///     let y = try differentiable("exp", [x]) { [try $0[0].exp()] }
///         backward: { gradients, inputs, outputs in [try gradients[0].map { try $0 * outputs[0] }] }
///
/// - Parameters:
///   - forward: computes the results; nothing inside is noted.
///   - backward: given the gradients of the results (nil where none arrived), the inputs and the results, gives the
///     gradient of each input, or nil for those that have none. Must not change what it is given.
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

/// Runs `body` without keeping what its gradient needs and runs it again when that is asked for: memory for time
/// (Chen et al. 2016). The results and gradients are those of `body` itself; `body` must give the same both times.
///
/// Leaves that `body` uses besides `inputs`, such as a layer's parameters, receive their gradients too.
public func checkpointed(_ inputs: [Tensor], _ body: @escaping ([Tensor]) throws -> [Tensor]) throws -> [Tensor] {
    let plain = inputs.map(\.withoutOrigin)
    let outputs = try noGrad { try body(plain).map(\.withoutOrigin) }
    guard isGradientEnabled else { return outputs }
    // Noted even when no input wants a gradient: the parameters inside may.
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
