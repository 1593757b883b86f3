/// AdamW with moments in 8 bits, as its formula, element by element.
extension Reference {
    /// With a block's codes c, scale s and the map q of 256 numbers:
    ///
    ///     m = q[c] s, v likewise;   then as `adamW`
    ///     s ← max |m| of the block,   c ← the number of q nearest to m / s
    ///
    /// A mean whose nearest number has another sign takes the number next to it on its own side, so that what is left of
    /// it never turns round. w takes m and v as they were before they were encoded again        (Dettmers et al. 2022).
    public static func blockwiseAdamW(
        _ w: Tensor, gradient: Tensor, mean: BlockwiseMoment, square: BlockwiseMoment, _ step: OptimizerStep
    ) throws(TensorError) {
        try noGrad { () throws(TensorError) in
            var m = try decoded(mean), v = try decoded(square)
            let g: [Double] = try gradient.detach().toArray()
            var values: [Double] = try w.withoutOrigin.toArray()
            let beta1 = Double(step.beta1), beta2 = Double(step.beta2), rate = Double(step.learningRate)
            for index in values.indices {
                let slope = g[index] * Double(step.gradientScale) + Double(step.coupledDecay) * values[index]
                m[index] = beta1 * m[index] + (1 - beta1) * slope
                v[index] = beta2 * v[index] + (1 - beta2) * slope * slope
                let root = (v[index] / Double(step.correction2)).squareRoot() + Double(step.epsilon)
                values[index] =
                    values[index] * (1 - rate * Double(step.weightDecay))
                    - rate * (m[index] / Double(step.correction1)) / root
            }
            try w.withoutOrigin.copy(from: Tensor(values, shape: w.shape).to(w.dtype))
            try encode(m, into: mean)
            try encode(v, into: square)
        }
    }

    private static func decoded(_ moment: BlockwiseMoment) throws(TensorError) -> [Double] {
        let numbers = BlockwiseMoment.numbers(isSigned: moment.isSigned)
        let codes: [UInt8] = try moment.codes.toArray(), scales: [Double] = try moment.scales.toArray()
        return codes.enumerated().map {
            Double(numbers[Int($0.element)]) * scales[$0.offset / BlockwiseMoment.blockLength]
        }
    }

    private static func encode(_ values: [Double], into moment: BlockwiseMoment) throws(TensorError) {
        let numbers = BlockwiseMoment.numbers(isSigned: moment.isSigned).map(Double.init)
        var codes: [UInt8] = [], scales: [Double] = []
        for start in stride(from: 0, to: values.count, by: BlockwiseMoment.blockLength) {
            let block = values[start..<min(start + BlockwiseMoment.blockLength, values.count)]
            let scale = block.reduce(0) { max($0, abs($1)) }
            scales.append(scale)
            for value in block {
                let share = scale > 0 ? value / scale : 0
                var best = 0
                for index in numbers.indices where abs(numbers[index] - share) < abs(numbers[best] - share) {
                    best = index
                }
                if moment.isSigned, value < 0, numbers[best] >= 0 { best -= 1 }
                codes.append(UInt8(best))
            }
        }
        try moment.codes.copy(from: Tensor(codes, shape: moment.codes.shape))
        try moment.scales.copy(from: Tensor(scales).to(moment.scales.dtype))
    }
}
