import CKernels

/// Vector kernels of one float32 operation: of two vectors, of a vector and a scalar, of a scalar and a vector.
private typealias BinaryKernels = (vectors: martlet_binary, right: martlet_scalar?, left: martlet_scalar?)

extension BinaryOperation {
    fileprivate var kernels: BinaryKernels? {
        let vector = martlet_kernels_active().pointee.vector
        return switch self {
        case .add: (vector.add, vector.add_scalar, vector.add_scalar)
        case .subtract: (vector.subtract, nil, vector.subtract_from_scalar)
        case .multiply: (vector.multiply, vector.multiply_scalar, vector.multiply_scalar)
        case .divide: (vector.divide, vector.divide_scalar, vector.divide_into_scalar)
        case .minimum: (vector.minimum, vector.minimum_scalar, vector.minimum_scalar)
        case .maximum: (vector.maximum, vector.maximum_scalar, vector.maximum_scalar)
        default: nil
        }
    }
}

protocol BinaryFunction<Input, Output> {
    associatedtype Input: ComputeElement
    associatedtype Output: BitwiseCopyable
    static func apply(_ a: Input, _ b: Input) -> Output
}

private enum Plus<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> T { T.plus(a, b) }
}
private enum Minus<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> T { T.minus(a, b) }
}
private enum Times<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> T { T.times(a, b) }
}
private enum Over<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> T { T.over(a, b) }
}
private enum FloorOver<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> T { T.floorOver(a, b) }
}
private enum Modulo<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> T { T.modulo(a, b) }
}
private enum Power<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> T { T.power(a, b) }
}
private enum Smaller<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> T { T.smaller(a, b) }
}
private enum Larger<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> T { T.larger(a, b) }
}
private enum Equal<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> Bool { a == b }
}
private enum NotEqual<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> Bool { a != b }
}
private enum Less<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> Bool { a < b }
}
private enum LessEqual<T: ComputeElement>: BinaryFunction {
    @inline(__always) static func apply(_ a: T, _ b: T) -> Bool { a <= b }
}

extension Tensor {
    /// `destination = operation(a, b)`. Each operand may be `destination` itself.
    /// - Precondition: all have the same computed type, and the operands broadcast to `destination.shape`.
    @inline(never)
    static func applyOnCPU(_ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, into destination: Tensor) {
        let span = OperationSpan(operation.rawValue)
        defer { span.end() }
        OperationSpan.count(bytes: a.elementBytes + b.elementBytes + destination.elementBytes)
        switch destination.dtype {
        case .float32:
            if let kernels = operation.kernels {
                binaryRuns({ vectorRun(kernels, operation, $0, $1, $2, $3, $4) }, a, b, destination)
            } else {
                applyArithmetic(operation, Float.self, a, b, destination)
            }
        case .float64: applyArithmetic(operation, Double.self, a, b, destination)
        case .int64: applyArithmetic(operation, Int64.self, a, b, destination)
        default: applyArithmetic(operation, Int32.self, a, b, destination)
        }
    }

    /// `destination` is a bool tensor; `a` and `b` have the same computed type.
    @inline(never)
    static func applyOnCPU(_ operation: ComparisonOperation, _ a: Tensor, _ b: Tensor, into destination: Tensor) {
        switch a.dtype {
        case .float32: applyComparison(operation, Float.self, a, b, destination)
        case .float64: applyComparison(operation, Double.self, a, b, destination)
        case .int64: applyComparison(operation, Int64.self, a, b, destination)
        default: applyComparison(operation, Int32.self, a, b, destination)
        }
    }
}

/// One run of a kernel: length, operands (result first) and their strides. The loop over runs is compiled once per type
/// and calls the kernel through this closure, which keeps the code small.
private typealias BinaryRun<T, R> = (
    Int, UnsafeMutablePointer<R>, UnsafePointer<T>, UnsafePointer<T>, SIMD4<Int>
) -> Void

private func applyArithmetic<T: ComputeElement>(
    _ operation: BinaryOperation, _ type: T.Type, _ a: Tensor, _ b: Tensor, _ out: Tensor
) {
    let run: BinaryRun<T, T> =
        switch operation {
        case .add: { binaryRun(Plus<T>.self, $0, $1, $2, $3, $4) }
        case .subtract: { binaryRun(Minus<T>.self, $0, $1, $2, $3, $4) }
        case .multiply: { binaryRun(Times<T>.self, $0, $1, $2, $3, $4) }
        case .divide: { binaryRun(Over<T>.self, $0, $1, $2, $3, $4) }
        case .floorDivide: { binaryRun(FloorOver<T>.self, $0, $1, $2, $3, $4) }
        case .remainder: { binaryRun(Modulo<T>.self, $0, $1, $2, $3, $4) }
        case .power: { binaryRun(Power<T>.self, $0, $1, $2, $3, $4) }
        case .minimum: { binaryRun(Smaller<T>.self, $0, $1, $2, $3, $4) }
        case .maximum: { binaryRun(Larger<T>.self, $0, $1, $2, $3, $4) }
        }
    binaryRuns(run, a, b, out)
}

private func applyComparison<T: ComputeElement>(
    _ operation: ComparisonOperation, _ type: T.Type, _ a: Tensor, _ b: Tensor, _ out: Tensor
) {
    let run: BinaryRun<T, Bool> =
        switch operation {
        case .equal: { binaryRun(Equal<T>.self, $0, $1, $2, $3, $4) }
        case .notEqual: { binaryRun(NotEqual<T>.self, $0, $1, $2, $3, $4) }
        case .less: { binaryRun(Less<T>.self, $0, $1, $2, $3, $4) }
        case .lessEqual: { binaryRun(LessEqual<T>.self, $0, $1, $2, $3, $4) }
        }
    binaryRuns(run, a, b, out)
}

@inline(never)
private func binaryRuns<T: ComputeElement, R>(_ run: BinaryRun<T, R>, _ a: Tensor, _ b: Tensor, _ out: Tensor) {
    let loop = StridedLoop(
        out.shape, out.strides, a.stridesBroadcast(to: out.shape), b.stridesBroadcast(to: out.shape))
    let step = loop.innerStrides
    let first = a.pointer(as: T.self), second = b.pointer(as: T.self), result = out.pointer(as: R.self)
    parallelRanges(loop.count) { range in
        loop.forEachRun(in: range) { length, offsets in
            run(length, result + offsets[0], first + offsets[1], second + offsets[2], step)
        }
    }
}

@inline(__always)
private func binaryRun<F: BinaryFunction>(
    _ function: F.Type, _ length: Int, _ to: UnsafeMutablePointer<F.Output>, _ x: UnsafePointer<F.Input>,
    _ y: UnsafePointer<F.Input>, _ step: SIMD4<Int>
) {
    switch (step[0], step[1], step[2]) {
    case (1, 1, 1):
        for i in 0..<length { to[i] = F.apply(x[i], y[i]) }
    case (1, 1, 0):
        let constant = y[0]
        for i in 0..<length { to[i] = F.apply(x[i], constant) }
    default:
        for i in 0..<length { to[i &* step[0]] = F.apply(x[i &* step[1]], y[i &* step[2]]) }
    }
}

/// These operations round once, so the vector kernels and the plain loops give the same bits.
private func vectorRun(
    _ kernels: BinaryKernels, _ operation: BinaryOperation, _ length: Int, _ to: UnsafeMutablePointer<Float>,
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ step: SIMD4<Int>
) {
    switch (step[0], step[1], step[2]) {
    case (1, 1, 1): return kernels.vectors(x, y, to, length)
    case (1, 1, 0):
        if let right = kernels.right { return right(x, y[0], to, length) }
    case (1, 0, 1):
        if let left = kernels.left { return left(y, x[0], to, length) }
    default: break
    }
    switch operation {
    case .add: binaryRun(Plus<Float>.self, length, to, x, y, step)
    case .subtract: binaryRun(Minus<Float>.self, length, to, x, y, step)
    case .multiply: binaryRun(Times<Float>.self, length, to, x, y, step)
    case .divide: binaryRun(Over<Float>.self, length, to, x, y, step)
    case .minimum: binaryRun(Smaller<Float>.self, length, to, x, y, step)
    default: binaryRun(Larger<Float>.self, length, to, x, y, step)
    }
}
