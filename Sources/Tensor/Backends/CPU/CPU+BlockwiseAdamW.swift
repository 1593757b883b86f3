extension CPU {
    static func blockwiseAdamW(
        _ w: Tensor, gradient: Tensor, mean: BlockwiseMoment, square: BlockwiseMoment, _ step: OptimizerStep
    ) throws(TensorError) {
        let count = w.elementCount, length = BlockwiseMoment.blockLength
        let signed = DynamicCode.signed, unsigned = DynamicCode.unsigned
        let (weights, gradients) = (w.floats, gradient.floats)
        let first = mean.codes.pointer.assumingMemoryBound(to: UInt8.self), firstScales = mean.scales.floats
        let second = square.codes.pointer.assumingMemoryBound(to: UInt8.self), secondScales = square.scales.floats
        let keep = 1 - step.learningRate * step.weightDecay
        Fused.forRows(BlockwiseMoment.blockCount(count), width: length) { blocks in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * length) { moments in
                guard let m = moments.baseAddress else { return }
                let v = m + length
                for block in blocks {
                    let start = block * length, size = min(length, count - start)
                    let mScale = firstScales[block], vScale = secondScales[block]
                    var mMost: Float = 0, vMost: Float = 0
                    for index in 0..<size {
                        let place = start + index
                        let g = gradients[place] * step.gradientScale + step.coupledDecay * weights[place]
                        let old1 = signed.numbers[Int(first[place])] * mScale
                        let old2 = unsigned.numbers[Int(second[place])] * vScale
                        m[index] = step.beta1 * old1 + (1 - step.beta1) * g
                        v[index] = step.beta2 * old2 + (1 - step.beta2) * g * g
                        mMost = max(mMost, abs(m[index]))
                        vMost = max(vMost, v[index])
                        let root = (v[index] / step.correction2).squareRoot() + step.epsilon
                        weights[place] =
                            weights[place] * keep - step.learningRate * (m[index] / step.correction1) / root
                    }
                    firstScales[block] = mMost
                    secondScales[block] = vMost
                    let mShare = mMost > 0 ? 1 / mMost : 0, vShare = vMost > 0 ? 1 / vMost : 0
                    for index in 0..<size {
                        var code = signed.nearest(m[index] * mShare)
                        if m[index] < 0, code >= signed.zero { code -= 1 }
                        first[start + index] = UInt8(code)
                        second[start + index] = UInt8(unsigned.nearest(v[index] * vShare))
                    }
                }
            }
        }
        withExtendedLifetime((mean, square)) {}
    }
}

/// The map of a `BlockwiseMoment`, and a table that finds the nearest of its numbers.
private struct DynamicCode: Sendable {
    static let signed = DynamicCode(isSigned: true), unsigned = DynamicCode(isSigned: false)

    let numbers: [Float]
    /// The code of 0.
    let zero: Int
    /// Halfway between each number and the next.
    private let middles: [Float]
    /// For the first 16 bits of a float (sign, exponent, 7 bits of the mantissa) the lowest code that such a float can have.
    private let lowest: [UInt8]

    private init(isSigned: Bool) {
        let numbers = BlockwiseMoment.numbers(isSigned: isSigned)
        self.numbers = numbers
        zero = numbers.firstIndex(of: 0) ?? 0
        let middles = (0..<255).map { (numbers[$0] + numbers[$0 + 1]) / 2 }
        self.middles = middles
        lowest = (0..<1 << 16).map { top in
            // Of negative floats the last bits make the magnitude larger.
            let least = Float(bitPattern: UInt32(top) << 16 | (top >= 1 << 15 ? 0xffff : 0))
            guard !least.isNaN else { return 0 }
            var low = 0, high = 255
            while low < high {
                let middle = (low + high) / 2
                if middles[middle] < least { low = middle + 1 } else { high = middle }
            }
            return UInt8(low)
        }
    }

    /// The code of the number nearest to x, the lower one of two; 0 for what is no number.
    @inline(__always)
    func nearest(_ x: Float) -> Int {
        var code = Int(lowest[Int(x.bitPattern >> 16)])
        while code < 255, middles[code] < x { code += 1 }
        return code
    }
}
