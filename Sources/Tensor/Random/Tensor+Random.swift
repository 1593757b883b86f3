/// Random tensors. Element `i` consumes words `2 i` and `2 i + 1` after the next whole block of the stream, so the
/// numbers do not depend on threads, and tensors of different types from one stream agree up to rounding.
extension Tensor {
    /// Uniform in [low, high).
    public static func uniform(
        _ shape: Shape, low: Double = 0, high: Double = 1, dtype: DType = .float32, using stream: inout RandomStream
    ) throws(TensorError) -> Tensor {
        try requireFloat(shape, dtype, "uniform")
        // Only as many bits as the type holds, so that no number in [0, 1) is rounded up to 1.
        let shift: UInt64 =
            switch dtype {
            case .float64: 11
            case .float32: 40
            case .float16: 53
            default: 56
            }
        let unit = 1 / Double(1 << (64 - shift))
        return try drawn(shape, dtype, &stream, "uniform") { bits, values, count in
            for i in 0..<count { values[i] = low + (high - low) * (Double(bits[i] >> shift) * unit) }
        }
    }

    /// Normally distributed, by the inverse of the distribution function (`NormalDistribution.quantile`).
    public static func normal(
        _ shape: Shape, mean: Double = 0, std: Double = 1, dtype: DType = .float32, using stream: inout RandomStream
    ) throws(TensorError) -> Tensor {
        try requireFloat(shape, dtype, "normal")
        return try drawn(shape, dtype, &stream, "normal") { bits, values, count in
            for i in 0..<count { values[i] = RandomStream.openUnit(bits[i]) }
            NormalDistribution.replaceByQuantiles(values, count)
            for i in 0..<count { values[i] = mean + std * values[i] }
        }
    }

    /// Truncated normal: normal, conditioned on lying in `low ... high`. Uses the inverse of the distribution function
    /// between its values at the bounds. Source: PyTorch `nn.init.trunc_normal_`.
    public static func truncatedNormal(
        _ shape: Shape, mean: Double = 0, std: Double = 1, low: Double = -2, high: Double = 2,
        dtype: DType = .float32, using stream: inout RandomStream
    ) throws(TensorError) -> Tensor {
        try requireFloat(shape, dtype, "truncatedNormal")
        guard std > 0, low < high else {
            throw TensorError(.argument, "truncatedNormal", "std \(std), bounds \(low) and \(high)")
        }
        let first = NormalDistribution.cumulative((low - mean) / std)
        let last = NormalDistribution.cumulative((high - mean) / std)
        guard last > first else {
            throw TensorError(.argument, "truncatedNormal", "no probability between \(low) and \(high)")
        }
        return try drawn(shape, dtype, &stream, "truncatedNormal") { bits, values, count in
            for i in 0..<count {
                let p = first + (last - first) * RandomStream.openUnit(bits[i])
                values[i] = Swift.min(Swift.max(mean + std * NormalDistribution.quantile(p), low), high)
            }
        }
    }

    /// Standard normal: PyTorch's `randn`.
    public static func randn(
        _ shape: Shape, dtype: DType = .float32, using stream: inout RandomStream
    ) throws(TensorError) -> Tensor { try normal(shape, dtype: dtype, using: &stream) }

    /// Uniform in [0, 1): PyTorch's `rand`.
    public static func rand(
        _ shape: Shape, dtype: DType = .float32, using stream: inout RandomStream
    ) throws(TensorError) -> Tensor { try uniform(shape, dtype: dtype, using: &stream) }

    /// Integers in `low ..< high`; the bias is below 2^-32 for ranges up to 2^32.
    public static func randint(
        _ low: Int, _ high: Int, _ shape: Shape, dtype: DType = .int64, using stream: inout RandomStream
    ) throws(TensorError) -> Tensor {
        let (span, overflow) = high.subtractingReportingOverflow(low)
        guard !overflow, span > 0 else { throw TensorError(.argument, "randint", "nothing in \(low) ..< \(high)") }
        let result = try allocated(shape, .int64, "randint")
        let values = result.pointer(as: Int64.self)
        draw(result.elementCount, &stream) { place, bits, count in
            for i in 0..<count {
                values[place + i] = Int64(low) + Int64(bits[i].multipliedFullWidth(by: UInt64(span)).high)
            }
        }
        return try result.to(dtype)
    }

    /// Bool elements that are true with probability `p`.
    public static func bernoulli(
        _ shape: Shape, p: Double, using stream: inout RandomStream
    ) throws(TensorError) -> Tensor {
        guard p >= 0, p <= 1 else { throw TensorError(.argument, "bernoulli", "probability \(p)") }
        let result = try allocated(shape, .bool, "bernoulli")
        let values = result.pointer(as: Bool.self)
        draw(result.elementCount, &stream) { place, bits, count in
            for i in 0..<count { values[place + i] = Double(bits[i] >> 11) * 0x1p-53 < p }
        }
        return result
    }

    /// A random permutation of `0 ..< count` (Fisher and Yates); int64.
    public static func permutation(_ count: Int, using stream: inout RandomStream) throws(TensorError) -> Tensor {
        guard count >= 0 else { throw TensorError(.argument, "permutation", "of \(count) elements") }
        let result = try arange(count)
        let values = result.pointer(as: Int64.self)
        for last in Swift.stride(from: count - 1, to: 0, by: -1) {
            let other = stream.nextIndex(below: last + 1)
            (values[last], values[other]) = (values[other], values[last])
        }
        return result
    }

    private static func requireFloat(_ shape: Shape, _ dtype: DType, _ operation: String) throws(TensorError) {
        guard dtype.isFloatingPoint else {
            throw TensorError(.dtype, operation, "no \(dtype.name) numbers for shape \(shape)")
        }
    }

    /// Converts words to numbers, one block at a time.
    private typealias Distribution = (UnsafePointer<UInt64>, UnsafeMutablePointer<Double>, Int) -> Void

    private static func drawn(
        _ shape: Shape, _ dtype: DType, _ stream: inout RandomStream, _ operation: String, _ fill: Distribution
    ) throws(TensorError) -> Tensor {
        let result = try allocated(shape, dtype, operation)
        let target = result.pointer
        draw(result.elementCount, &stream) { place, bits, count in
            withUnsafeTemporaryAllocation(of: Double.self, capacity: blockLength) { block in
                guard let values = block.baseAddress else { return }
                fill(bits, values, count)
                switch dtype {
                case .float32:
                    let to = target.assumingMemoryBound(to: Float.self) + place
                    for i in 0..<count { to[i] = Float(values[i]) }
                case .float64: (target.assumingMemoryBound(to: Double.self) + place).update(from: values, count: count)
                case .float16:
                    let to = target.assumingMemoryBound(to: HalfBits.self) + place
                    for i in 0..<count { to[i] = HalfBits(values[i]) }
                default:
                    let to = target.assumingMemoryBound(to: BrainBits.self) + place
                    for i in 0..<count { to[i] = BrainBits(values[i]) }
                }
            }
        }
        return result
    }

    private static let blockLength = 512

    /// Draws two words for each of `count` elements, two elements per Philox block. `body` receives the index of the
    /// first element, the words, and the number of elements they are for.
    private static func draw(
        _ count: Int, _ stream: inout RandomStream, _ body: (Int, UnsafePointer<UInt64>, Int) -> Void
    ) {
        let first = stream.reserve(words: count * 2)
        let source = stream
        parallelRanges((count + blockLength - 1) / blockLength, grain: 8) { range in
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: blockLength) { words in
                guard let words = words.baseAddress else { return }
                for block in range {
                    let start = block * blockLength
                    for i in Swift.stride(from: 0, to: blockLength, by: 8) {
                        let (even, odd) = Philox.fourBlocks(
                            first: first &+ UInt64((start + i) / 2), stream: source.stream, seed: source.seed)
                        for lane in 0..<4 {
                            words[i + lane * 2] = even[lane]
                            words[i + lane * 2 + 1] = odd[lane]
                        }
                    }
                    body(start, words, Swift.min(blockLength, count - start))
                }
            }
        }
    }
}
