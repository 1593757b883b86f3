import CKernels

extension CPU {
    private static var vector: martlet_vector_kernels { martlet_kernels_active().pointee.vector }
    private static var training: martlet_training_kernels { martlet_kernels_active().pointee.training }

    static func activate(_ x: Tensor, _ function: Fused.PointwiseFunction) throws(TensorError) -> Tensor {
        try Fused.check("activate", x)
        let records = Tensor.isRecording(x)
        let result = records ? Tensor(uninitialized: x.shape) : try x.takenOver("activate")
        activate(x, function, into: result)
        guard records else { return result }
        let x0 = x.withoutOrigin
        let remake = {
            let again = Tensor(uninitialized: x0.shape)
            activate(x0, function, into: again)
            return again
        }
        return result.recorded("activate", [x], saved: [x0], remake: remake) { flow in
            let gradient = try flow.contiguousGradient()
            let kernel =
                switch function {
                case .silu: training.silu_gradient
                case .gelu: training.gelu_gradient
                case .geluTanh: training.gelu_tanh_gradient
                case .relu: training.relu_gradient
                }
            try flow.write(0) { destination, accumulate in
                Fused.forRows(x0.elementCount, width: 1) { range in
                    let start = range.lowerBound
                    kernel(
                        x0.floats + start, gradient.floats + start, destination.floats + start, accumulate,
                        range.count)
                }
            }
        }
    }

    private static func activate(_ x: Tensor, _ function: Fused.PointwiseFunction, into result: Tensor) {
        let source = x.floats, target = result.floats
        let kernel =
            switch function {
            case .silu: vector.silu
            case .gelu: vector.gelu
            case .geluTanh: vector.gelu_tanh
            case .relu: vector.relu
            }
        Fused.forRows(x.elementCount, width: 1) { range in
            kernel(source + range.lowerBound, target + range.lowerBound, range.count)
        }
    }

    static func gate(
        _ gate: Tensor, _ up: Tensor, _ function: Fused.PointwiseFunction
    ) throws(TensorError) -> Tensor {
        try Fused.check("gate", gate, up)
        guard gate.shape == up.shape else {
            throw TensorError(.shape, "gate", "\(up.shape) does not fit \(gate.shape)")
        }
        let kernel: martlet_gated
        let gradientKernel: martlet_gated_gradient
        switch function {
        case .silu: (kernel, gradientKernel) = (vector.swiglu, training.swiglu_gradient)
        case .gelu: (kernel, gradientKernel) = (vector.geglu, training.geglu_gradient)
        case .geluTanh: (kernel, gradientKernel) = (vector.geglu_tanh, training.geglu_tanh_gradient)
        case .relu: return try Fused.activate(gate, .relu) * up
        }
        let records = Tensor.isRecording(gate, up)
        let result = records ? Tensor(uninitialized: gate.shape) : try gate.takenOver("gate")
        func multiply(_ gate: Tensor, _ up: Tensor, into result: Tensor) {
            let left = gate.floats, right = up.floats, target = result.floats
            Fused.forRows(gate.elementCount, width: 1) { range in
                let start = range.lowerBound, count = range.count
                kernel(left + start, count, right + start, count, target + start, count, 1, count)
            }
        }
        multiply(gate, up, into: result)
        guard records else { return result }
        let gate0 = gate.withoutOrigin, up0 = up.withoutOrigin
        let remake = {
            let again = Tensor(uninitialized: gate0.shape)
            multiply(gate0, up0, into: again)
            return again
        }
        return result.recorded("gate", [gate, up], saved: [gate0, up0], remake: remake) { flow in
            let gradient = try flow.contiguousGradient()
            let (dgate, dup) = (Tensor(uninitialized: gate0.shape), Tensor(uninitialized: gate0.shape))
            Fused.forRows(gate0.elementCount, width: 1) { range in
                let start = range.lowerBound
                gradientKernel(
                    gate0.floats + start, up0.floats + start, gradient.floats + start, dgate.floats + start,
                    dup.floats + start, range.count)
            }
            try flow.give(0, dgate)
            try flow.give(1, dup)
        }
    }

    static func add(_ x: Tensor, _ y: Tensor) throws(TensorError) -> Tensor {
        try Fused.check("add", x, y)
        guard x.shape == y.shape else { throw TensorError(.shape, "add", "\(y.shape) does not fit \(x.shape)") }
        let records = Tensor.isRecording(x, y)
        let result = records ? Tensor(uninitialized: x.shape) : try x.takenOver("add")
        let left = x.floats, right = y.floats, target = result.floats, kernel = vector.add
        Fused.forRows(x.elementCount, width: 1) { range in
            let start = range.lowerBound
            kernel(left + start, right + start, target + start, range.count)
        }
        guard records else { return result }
        return result.recorded("add", [x, y]) { flow in
            try flow.give(0, flow.gradient)
            try flow.give(1, flow.gradient)
        }
    }

    static func addRow(_ row: Tensor, to x: Tensor) throws(TensorError) {
        try Fused.check("addRow", x, row)
        let width = row.elementCount
        guard x.shape.last == width else { throw TensorError(.shape, "addRow", "\(row.shape) does not fit \(x.shape)") }
        let target = try x.takenOver("addRow").floats, source = row.floats, kernel = vector.add_bias
        Fused.forRows(x.elementCount / max(width, 1), width: width) { range in
            let start = range.lowerBound * width
            kernel(target + start, width, source, target + start, width, range.count, width)
        }
    }

    static func softCap(_ x: Tensor, _ cap: Float) throws(TensorError) -> Tensor {
        try Fused.check("softCap", x)
        if Tensor.isRecording(x) { return try (x / Double(cap)).tanh() * Double(cap) }
        let result = try x.takenOver("softCap")
        let values = result.floats, kernel = vector.soft_cap
        Fused.forRows(x.elementCount, width: 1) { range in
            kernel(values + range.lowerBound, cap, values + range.lowerBound, range.count)
        }
        return result
    }

    static func softmax(_ x: Tensor) throws(TensorError) -> Tensor {
        try Fused.check("softmax", x)
        guard let width = x.shape.last, width > 0 else { return x }
        let records = Tensor.isRecording(x)
        let result = records ? Tensor(uninitialized: x.shape) : try x.takenOver("softmax")
        let source = x.floats, target = result.floats, kernel = vector.softmax
        Fused.forRows(x.elementCount / width, width: width) { range in
            let start = range.lowerBound * width
            kernel(source + start, width, 1, target + start, width, range.count, width)
        }
        guard records else { return result }
        return result.recorded("softmax", [x], saved: [result]) { flow in
            // p (g - sum(g p))
            let weighted = try flow.gradient * result
            try flow.give(0, weighted - result * weighted.sum(axes: [-1], keepDimensions: true))
        }
    }
}
