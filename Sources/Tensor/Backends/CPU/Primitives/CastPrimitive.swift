import CKernels

/// Conversion between plain types.
///
/// Rules (PyTorch's, where C defines the result): a float to a narrower float rounds to nearest, ties to even, and
/// keeps infinities and NaN; a float to an integer drops the fraction, saturates at the bounds of int64 (NaN gives 0)
/// and then keeps the low bits; an integer to a narrower integer keeps the low bits; everything except zero converts to
/// true.
extension Tensor {
    /// Writes this tensor's elements, converted and broadcast, to `destination`.
    /// - Precondition: plain types; this shape broadcasts to `destination.shape`; the two do not overlap.
    @inline(never)
    func castOnCPU(to destination: Tensor) {
        if dtype == destination.dtype { return copyOnCPU(to: destination) }
        let loop = StridedLoop(destination.shape, destination.strides, stridesBroadcast(to: destination.shape))
        let vector = martlet_kernels_active().pointee.vector
        switch (dtype, destination.dtype) {
        case (.float32, .float16):
            castRuns(loop, pointer(as: Float.self), destination.pointer(as: HalfBits.self), { HalfBits($0) }) {
                vector.f32_to_f16($0, bits($1), $2)
            }
        case (.float32, .bfloat16):
            castRuns(loop, pointer(as: Float.self), destination.pointer(as: BrainBits.self), { BrainBits($0) }) {
                vector.f32_to_bf16($0, bits($1), $2)
            }
        case (.float16, .float32):
            castRuns(loop, pointer(as: HalfBits.self), destination.pointer(as: Float.self), { $0.float }) {
                vector.f16_to_f32(bits($0), $1, $2)
            }
        case (.bfloat16, .float32):
            castRuns(loop, pointer(as: BrainBits.self), destination.pointer(as: Float.self), { $0.float }) {
                vector.bf16_to_f32(bits($0), $1, $2)
            }
        case (.float32, .float64):
            castRuns(loop, pointer(as: Float.self), destination.pointer(as: Double.self), { Double($0) })
        case (.float64, .float32):
            castRuns(loop, pointer(as: Double.self), destination.pointer(as: Float.self), { Float($0) })
        case (.bool, .float32):
            castRuns(loop, pointer(as: UInt8.self), destination.pointer(as: Float.self), { $0 == 0 ? 0 : 1 })
        default:
            if dtype.isFloatingPoint { castThroughDouble(loop, destination) } else { castThroughInt(loop, destination) }
        }
    }

    /// Through double, which represents every float exactly.
    @inline(never)
    private func castThroughDouble(_ loop: StridedLoop, _ destination: Tensor) {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: castBlock) { block in
            let block = block.baseAddress.unsafelyUnwrapped
            loop.forEachBlock { length, offsets, step in
                let source = offsets[1], stride = step[1], target = offsets[0]
                switch dtype {
                case .float32: load(Float.self, source, stride, length) { block[$0] = Double($1) }
                case .float64: load(Double.self, source, stride, length) { block[$0] = $1 }
                case .float16: load(HalfBits.self, source, stride, length) { block[$0] = Double($1.float) }
                default: load(BrainBits.self, source, stride, length) { block[$0] = Double($1.float) }
                }
                destination.store(block, target, step[0], length)
            }
        }
    }

    /// Through int64, which represents every integer exactly.
    @inline(never)
    private func castThroughInt(_ loop: StridedLoop, _ destination: Tensor) {
        withUnsafeTemporaryAllocation(of: Int64.self, capacity: castBlock) { block in
            let block = block.baseAddress.unsafelyUnwrapped
            loop.forEachBlock { length, offsets, step in
                let source = offsets[1], stride = step[1], target = offsets[0]
                switch dtype {
                case .int8: load(Int8.self, source, stride, length) { block[$0] = Int64($1) }
                case .int16: load(Int16.self, source, stride, length) { block[$0] = Int64($1) }
                case .int32: load(Int32.self, source, stride, length) { block[$0] = Int64($1) }
                case .int64: load(Int64.self, source, stride, length) { block[$0] = $1 }
                case .bool: load(UInt8.self, source, stride, length) { block[$0] = $1 == 0 ? 0 : 1 }
                default: load(UInt8.self, source, stride, length) { block[$0] = Int64($1) }
                }
                destination.store(block, target, step[0], length)
            }
        }
    }

    @inline(__always)
    private func load<T>(_ type: T.Type, _ offset: Int, _ stride: Int, _ length: Int, _ body: (Int, T) -> Void) {
        let from = pointer(as: type) + offset
        for i in 0..<length { body(i, from[i &* stride]) }
    }

    @inline(__always)
    private func fill<T>(_ type: T.Type, _ offset: Int, _ stride: Int, _ length: Int, _ value: (Int) -> T) {
        let to = pointer(as: type) + offset
        for i in 0..<length { to[i &* stride] = value(i) }
    }

    @inline(never)
    private func store(_ block: UnsafeMutablePointer<Double>, _ offset: Int, _ stride: Int, _ length: Int) {
        switch dtype {
        case .float32: fill(Float.self, offset, stride, length) { Float(block[$0]) }
        case .float64: fill(Double.self, offset, stride, length) { block[$0] }
        case .float16: fill(HalfBits.self, offset, stride, length) { HalfBits(block[$0]) }
        case .bfloat16: fill(BrainBits.self, offset, stride, length) { BrainBits(block[$0]) }
        case .bool: fill(UInt8.self, offset, stride, length) { block[$0] == 0 ? 0 : 1 }
        case .int8: fill(Int8.self, offset, stride, length) { Int8(truncatingIfNeeded: Int64(dropping: block[$0])) }
        case .int16: fill(Int16.self, offset, stride, length) { Int16(truncatingIfNeeded: Int64(dropping: block[$0])) }
        case .int32: fill(Int32.self, offset, stride, length) { Int32(truncatingIfNeeded: Int64(dropping: block[$0])) }
        case .int64: fill(Int64.self, offset, stride, length) { Int64(dropping: block[$0]) }
        default: fill(UInt8.self, offset, stride, length) { UInt8(truncatingIfNeeded: Int64(dropping: block[$0])) }
        }
    }

    @inline(never)
    private func store(_ block: UnsafeMutablePointer<Int64>, _ offset: Int, _ stride: Int, _ length: Int) {
        switch dtype {
        case .float32: fill(Float.self, offset, stride, length) { Float(block[$0]) }
        case .float64: fill(Double.self, offset, stride, length) { Double(block[$0]) }
        case .float16: fill(HalfBits.self, offset, stride, length) { HalfBits(Float(block[$0])) }
        case .bfloat16: fill(BrainBits.self, offset, stride, length) { BrainBits(Float(block[$0])) }
        case .bool: fill(UInt8.self, offset, stride, length) { block[$0] == 0 ? 0 : 1 }
        case .int8: fill(Int8.self, offset, stride, length) { Int8(truncatingIfNeeded: block[$0]) }
        case .int16: fill(Int16.self, offset, stride, length) { Int16(truncatingIfNeeded: block[$0]) }
        case .int32: fill(Int32.self, offset, stride, length) { Int32(truncatingIfNeeded: block[$0]) }
        case .int64: fill(Int64.self, offset, stride, length) { block[$0] }
        default: fill(UInt8.self, offset, stride, length) { UInt8(truncatingIfNeeded: block[$0]) }
        }
    }
}

private let castBlock = 512

extension Int64 {
    /// Drops the fraction; saturates; NaN gives 0.
    init(dropping value: Double) {
        if value.isNaN {
            self = 0
        } else if value >= 0x1p63 {
            self = .max
        } else if value < -0x1p63 {
            self = .min
        } else {
            self = Int64(value)
        }
    }
}

extension StridedLoop {
    /// Runs cut to the length of a conversion block, with the operands' strides.
    @inline(__always)
    fileprivate func forEachBlock(_ body: (Int, SIMD4<Int>, SIMD4<Int>) -> Void) {
        let step = innerStrides
        forEachRun(in: 0..<count) { length, offsets in
            var done = 0
            while done < length {
                body(min(castBlock, length - done), offsets &+ step &* SIMD4(repeating: done), step)
                done += castBlock
            }
        }
    }
}

/// The 16-bit floats as the bit patterns that the kernels take.
private func bits<T>(_ pointer: UnsafeMutablePointer<T>) -> UnsafeMutablePointer<UInt16> {
    UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: UInt16.self)
}

/// `whole`, if given, converts a contiguous run at once (source, destination, count).
@inline(__always)
private func castRuns<S, D>(
    _ loop: StridedLoop, _ source: UnsafeMutablePointer<S>, _ destination: UnsafeMutablePointer<D>,
    _ convert: (S) -> D, whole: ((UnsafeMutablePointer<S>, UnsafeMutablePointer<D>, Int) -> Void)? = nil
) {
    let step = loop.innerStrides
    parallelRanges(loop.count) { range in
        loop.forEachRun(in: range) { length, offsets in
            let to = destination + offsets[0], from = source + offsets[1]
            if step[0] == 1 && step[1] == 1 {
                if let whole { return whole(from, to, length) }
                for i in 0..<length { to[i] = convert(from[i]) }
            } else {
                for i in 0..<length { to[i &* step[0]] = convert(from[i &* step[1]]) }
            }
        }
    }
}
