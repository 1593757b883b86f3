/// Gradients of elementwise functions of one and two operands.
extension Tensor {
    /// This gradient summed over the axes along which an operand of `shape` was broadcast.
    func summed(to target: Shape) throws(TensorError) -> Tensor {
        if shape == target { return self }
        let lead = rank - target.rank
        var axes = Array(0..<lead)
        for axis in 0..<target.rank where target[axis] == 1 && shape[axis + lead] != 1 { axes.append(axis + lead) }
        return try sum(axes: axes, keepDimensions: true).reshape(target)
    }

    /// Records `result = operation(a, b)`; all three have the same type.
    static func recordArithmetic(
        _ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, _ result: Tensor
    ) -> Tensor {
        guard isRecording(a, b) else { return result }
        let (left, right) = (a.withoutOrigin, b.withoutOrigin)
        func record(saved: [Tensor], _ backward: @escaping GradientNode.Backward) -> Tensor {
            result.recorded(operation.rawValue, [a, b], saved: saved, backward: backward)
        }
        switch operation {
        case .add:
            let (leftShape, rightShape) = (a.shape, b.shape)
            return record(saved: []) { flow in
                try flow.give(0, flow.gradient.summed(to: leftShape))
                try flow.give(1, flow.gradient.summed(to: rightShape))
            }
        case .subtract:
            let (leftShape, rightShape) = (a.shape, b.shape)
            return record(saved: []) { flow in
                try flow.give(0, flow.gradient.summed(to: leftShape))
                try flow.give(1, flow.gradient.negative().summed(to: rightShape))
            }
        case .multiply:
            return record(saved: [left, right]) { flow in
                try flow.give(0, (flow.gradient * right).summed(to: left.shape))
                try flow.give(1, (flow.gradient * left).summed(to: right.shape))
            }
        case .divide:
            return record(saved: [right, result]) { flow in
                try flow.give(0, (flow.gradient / right).summed(to: left.shape))
                try flow.give(1, (flow.gradient * result / right).negative().summed(to: right.shape))
            }
        case .power:
            return record(saved: [left, right, result]) { flow in
                // d/da = b a^(b-1), 0 where b is 0 even at a = 0; d/db = a^b log a, 0 where a is 0 and b is not
                // negative.
                try flow.give(
                    0,
                    Tensor.where(
                        right .== 0, 0.0, flow.gradient * right * left.pow(right - 1)
                    ).summed(to: left.shape))
                try flow.give(
                    1,
                    Tensor.where(
                        (left .== 0).logicalAnd(right .>= 0), 0.0, flow.gradient * result * left.log()
                    )
                    .summed(to: right.shape))
            }
        case .minimum, .maximum:
            return record(saved: [left, right]) { flow in
                // Where both operands are equal each receives half of the gradient, as in PyTorch.
                let first = try operation == .minimum ? left .< right : left .> right
                let share = try Tensor.where(left .== right, Tensor(0.5, dtype: left.dtype), first.to(left.dtype))
                try flow.give(0, (flow.gradient * share).summed(to: left.shape))
                try flow.give(1, (flow.gradient * (1 - share)).summed(to: right.shape))
            }
        case .remainder:
            return record(saved: [left, right]) { flow in
                try flow.give(0, flow.gradient.summed(to: left.shape))
                try flow.give(1, (flow.gradient * left.floorDivide(right)).negative().summed(to: right.shape))
            }
        case .floorDivide:
            return record(saved: []) { flow in
                try flow.give(0, Tensor.zeros(left.shape, dtype: left.dtype))
                try flow.give(1, Tensor.zeros(right.shape, dtype: right.dtype))
            }
        }
    }

    /// Records `result = operation(x)`.
    static func recordMapped(_ operation: UnaryOperation, _ x: Tensor, _ result: Tensor) -> Tensor {
        guard isRecording(x) else { return result }
        let x0 = x.withoutOrigin
        return result.recorded(operation.rawValue, [x], saved: [x0, result]) { flow in
            try flow.give(0, flow.gradient * operation.derivative(at: x0, value: result))
        }
    }
}

extension UnaryOperation {
    /// f'(x), given x and y = f(x).
    fileprivate func derivative(at x: Tensor, value y: Tensor) throws(TensorError) -> Tensor {
        switch self {
        case .negative: return try Tensor.full(x.shape, -1.0, dtype: x.dtype)
        case .absolute: return try x.sign()
        case .sign, .floor, .ceil, .round, .truncate: return try Tensor.zeros(x.shape, dtype: x.dtype)
        case .square: return try x * 2
        case .exp: return y
        case .expm1: return try y + 1
        case .log: return try x.reciprocal()
        case .log1p: return try (x + 1).reciprocal()
        case .log2: return try (x * 0.6931471805599453).reciprocal()
        case .sqrt: return try 0.5 / y
        case .rsqrt: return try y * y * y * -0.5
        case .reciprocal: return try (y * y).negative()
        case .sin: return try x.cos()
        case .cos: return try x.sin().negative()
        case .tan: return try y * y + 1
        case .tanh: return try 1 - y * y
        // 2/sqrt(pi) exp(-x^2)
        case .erf: return try (x * x).negative().exp() * 1.1283791670955126
        case .sigmoid: return try y * (1 - y)
        case .silu:
            let s = try x.sigmoid()
            return try s * (x * (1 - s) + 1)
        // Phi(x) + x phi(x)
        case .gelu:
            let cumulative = try ((x * 0.7071067811865476).erf() + 1) * 0.5
            let density = try (x * x * -0.5).exp() * 0.3989422804014327
            return try cumulative + x * density
        // t = tanh(u), u = c (x + 0.044715 x^3): (1 + t) / 2 + x (1 - t^2) u' / 2
        case .geluTanh:
            let c = 0.7978845608028654
            let t = try ((x * x * x * 0.044715 + x) * c).tanh()
            let slope = try (x * x * (3 * 0.044715) + 1) * c
            return try (t + 1) * 0.5 + x * (1 - t * t) * slope * 0.5
        }
    }
}
