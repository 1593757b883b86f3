import CKernels

extension CPU {
    /// Channels of a task.
    private static let channelsOfTask = 256

    static func causalConvolution(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor?, _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        try Fused.check("causalConvolution", x, weight)
        if let bias { try Fused.check("causalConvolution", bias) }
        let result = Tensor(uninitialized: x.shape)
        convolve(x, weight, bias, sequences, into: result)
        guard Tensor.isRecording([x, weight, bias]) else { return result }
        let x0 = x.withoutOrigin, w = weight.withoutOrigin
        return result.recorded("causalConvolution", [x, weight, bias], saved: [x0, w]) { flow in
            try giveConvolutionGradients(flow, x0, w, sequences)
        }
    }

    private static func convolve(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor?, _ sequences: [RecurrentRows], into result: Tensor
    ) {
        let channels = x.shape[1], width = weight.shape[2]
        let kernel = martlet_kernels_active().pointee.recurrent.convolution
        let pieces = (channels + channelsOfTask - 1) / channelsOfTask
        let running = sequences.filter { !$0.rows.isEmpty }
        ThreadPool.shared.run(running.count * pieces) { index in
            let sequence = running[index / pieces], first = index % pieces * channelsOfTask
            let count = min(channelsOfTask, channels - first), row = sequence.rows.lowerBound * channels + first
            func run(_ state: UnsafeMutablePointer<Float>, _ stride: Int) {
                var call = martlet_convolution(
                    x: x.floats + row, weight: weight.floats + first * width, bias: bias.map { $0.floats + first },
                    state: state, y: result.floats + row, x_stride: channels, y_stride: channels, state_stride: stride,
                    tokens: sequence.rows.count, channels: count, width: width)
                kernel(&call)
            }
            if let state = sequence.state { return run(state.floats + first, channels) }
            withUnsafeTemporaryAllocation(of: Float.self, capacity: max((width - 1) * count, 1)) { state in
                state.initialize(repeating: 0)
                guard let base = state.baseAddress else { return }
                run(base, count)
            }
        }
        withExtendedLifetime((x, weight, bias, running)) {}
    }

    /// dx[t] = Σ_j w[j] · dy[t + width − 1 − j], dw[j] = Σ_t dy[t] · x[t − width + 1 + j], db = Σ_t dy[t].
    private static func giveConvolutionGradients(
        _ flow: GradientFlow, _ x: Tensor, _ weight: Tensor, _ sequences: [RecurrentRows]
    ) throws {
        let dy = try flow.contiguousGradient(), channels = x.shape[1], width = weight.shape[2]
        let dx = Tensor(uninitialized: x.shape), dw = try Tensor.zeros(weight.shape)
        let db = try Tensor.zeros([channels])
        let pieces = (channels + channelsOfTask - 1) / channelsOfTask
        ThreadPool.shared.run(pieces) { piece in
            let own = piece * channelsOfTask..<min((piece + 1) * channelsOfTask, channels)
            for sequence in sequences {
                for t in sequence.rows {
                    let gradient = dy.floats + t * channels, target = dx.floats + t * channels
                    for c in own {
                        db.floats[c] += gradient[c]
                        target[c] = 0
                    }
                    for j in 0..<width {
                        let later = t + width - 1 - j, earlier = t - width + 1 + j
                        if later < sequence.rows.upperBound {
                            let other = dy.floats + later * channels
                            for c in own { target[c] += weight.floats[c * width + j] * other[c] }
                        }
                        if earlier >= sequence.rows.lowerBound {
                            let other = x.floats + earlier * channels
                            for c in own { dw.floats[c * width + j] += gradient[c] * other[c] }
                        }
                    }
                }
            }
        }
        withExtendedLifetime((x, weight, dy)) {}
        try flow.give(0, dx)
        try flow.give(1, dw)
        try flow.give(2, db)
    }
}

extension RecurrentState {
    var floats: UnsafeMutablePointer<Float> { block.pointer.assumingMemoryBound(to: Float.self) + offset }
}
