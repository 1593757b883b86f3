import CKernels

extension UnaryOperation {
    /// The float32 vector kernel, if there is one. Its result does not depend on the instruction set.
    fileprivate var kernel: martlet_unary? {
        let vector = martlet_kernels_active().pointee.vector
        return switch self {
        case .negative: vector.negate
        case .absolute: vector.absolute
        case .exp: vector.exp
        case .log: vector.log
        case .sqrt: vector.sqrt
        case .rsqrt: vector.reciprocal_sqrt
        case .tanh: vector.tanh
        case .erf: vector.erf
        case .sigmoid: vector.sigmoid
        case .silu: vector.silu
        case .gelu: vector.gelu
        case .geluTanh: vector.gelu_tanh
        default: nil
        }
    }
}

protocol UnaryFunction<Element> {
    associatedtype Element: ComputeElement
    static func apply(_ x: Element) -> Element
}

extension Tensor {
    /// `destination = operation(self)`; `destination` may be this tensor.
    /// - Precondition: both have the same shape and computed type (a float type unless the operation keeps integers).
    @inline(never)
    func applyOnCPU(_ operation: UnaryOperation, into destination: Tensor) {
        let span = OperationSpan(operation.rawValue)
        defer { span.end() }
        OperationSpan.count(bytes: elementBytes + destination.elementBytes)
        switch dtype {
        case .float32:
            if let kernel = operation.kernel {
                unaryRuns({ vectorRun(kernel, $0, $1, $2, $3) }, self, destination)
            } else {
                applyReal(operation, Float.self, self, destination)
            }
        case .float64: applyReal(operation, Double.self, self, destination)
        case .int64: applySimple(operation, Int64.self, self, destination)
        default: applySimple(operation, Int32.self, self, destination)
        }
    }
}

private enum Negative<T: ComputeElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.minus(T.zero, x) }
}
private enum NegativeReal<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { -x }
}
private enum Absolute<T: ComputeElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { x < T.zero ? T.minus(T.zero, x) : x }
}
private enum AbsoluteReal<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { x.magnitude }
}
private enum Sign<T: ComputeElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T {
        x > T.zero ? T.one : x < T.zero ? T.minus(T.zero, T.one) : T.zero
    }
}
private enum Square<T: ComputeElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.times(x, x) }
}
private enum Identity<T: ComputeElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { x }
}
private enum Exponential<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.exponential(x) }
}
private enum ExponentialMinusOne<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.exponentialMinusOne(x) }
}
private enum Logarithm<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.logarithm(x) }
}
private enum LogarithmOnePlus<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.logarithmOnePlus(x) }
}
private enum BinaryLogarithm<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.binaryLogarithm(x) }
}
private enum SquareRoot<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { x.squareRoot() }
}
private enum ReciprocalSquareRoot<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { 1 / x.squareRoot() }
}
private enum Reciprocal<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { 1 / x }
}
private enum Sine<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.sine(x) }
}
private enum Cosine<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.cosine(x) }
}
private enum Tangent<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.tangent(x) }
}
private enum HyperbolicTangent<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.hyperbolicTangent(x) }
}
private enum ErrorFunction<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.errorFunction(x) }
}
private enum Sigmoid<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { T.sigmoid(x) }
}
private enum SiLU<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { x * T.sigmoid(x) }
}
private enum GELU<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { x / 2 * (1 + T.errorFunction(x * T(0.5.squareRoot()))) }
}
/// x / 2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): Hendrycks and Gimpel 2016, as in GPT-2.
private enum TanhGELU<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T {
        let inner = T(0.7978845608028654) * (x + T(0.044715) * x * x * x)
        return x / 2 * (1 + T.hyperbolicTangent(inner))
    }
}
private enum Floor<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { x.rounded(.down) }
}
private enum Ceiling<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { x.rounded(.up) }
}
private enum Rounding<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { x.rounded(.toNearestOrEven) }
}
private enum Truncation<T: RealElement>: UnaryFunction {
    @inline(__always) static func apply(_ x: T) -> T { x.rounded(.towardZero) }
}

/// One run of a kernel: length, result, operand and their strides. See `BinaryRun`.
private typealias UnaryRun<T> = (Int, UnsafeMutablePointer<T>, UnsafePointer<T>, SIMD4<Int>) -> Void

private func applySimple<T: ComputeElement>(
    _ operation: UnaryOperation, _ type: T.Type, _ x: Tensor, _ out: Tensor
) {
    let run: UnaryRun<T> =
        switch operation {
        case .negative: { unaryRun(Negative<T>.self, $0, $1, $2, $3) }
        case .absolute: { unaryRun(Absolute<T>.self, $0, $1, $2, $3) }
        case .sign: { unaryRun(Sign<T>.self, $0, $1, $2, $3) }
        case .square: { unaryRun(Square<T>.self, $0, $1, $2, $3) }
        default: { unaryRun(Identity<T>.self, $0, $1, $2, $3) }
        }
    unaryRuns(run, x, out)
}

private func applyReal<T: RealElement>(
    _ operation: UnaryOperation, _ type: T.Type, _ x: Tensor, _ out: Tensor
) {
    let run: UnaryRun<T> =
        switch operation {
        case .negative: { unaryRun(NegativeReal<T>.self, $0, $1, $2, $3) }
        case .absolute: { unaryRun(AbsoluteReal<T>.self, $0, $1, $2, $3) }
        case .sign: { unaryRun(Sign<T>.self, $0, $1, $2, $3) }
        case .square: { unaryRun(Square<T>.self, $0, $1, $2, $3) }
        case .exp: { unaryRun(Exponential<T>.self, $0, $1, $2, $3) }
        case .expm1: { unaryRun(ExponentialMinusOne<T>.self, $0, $1, $2, $3) }
        case .log: { unaryRun(Logarithm<T>.self, $0, $1, $2, $3) }
        case .log1p: { unaryRun(LogarithmOnePlus<T>.self, $0, $1, $2, $3) }
        case .log2: { unaryRun(BinaryLogarithm<T>.self, $0, $1, $2, $3) }
        case .sqrt: { unaryRun(SquareRoot<T>.self, $0, $1, $2, $3) }
        case .rsqrt: { unaryRun(ReciprocalSquareRoot<T>.self, $0, $1, $2, $3) }
        case .reciprocal: { unaryRun(Reciprocal<T>.self, $0, $1, $2, $3) }
        case .sin: { unaryRun(Sine<T>.self, $0, $1, $2, $3) }
        case .cos: { unaryRun(Cosine<T>.self, $0, $1, $2, $3) }
        case .tan: { unaryRun(Tangent<T>.self, $0, $1, $2, $3) }
        case .tanh: { unaryRun(HyperbolicTangent<T>.self, $0, $1, $2, $3) }
        case .erf: { unaryRun(ErrorFunction<T>.self, $0, $1, $2, $3) }
        case .sigmoid: { unaryRun(Sigmoid<T>.self, $0, $1, $2, $3) }
        case .silu: { unaryRun(SiLU<T>.self, $0, $1, $2, $3) }
        case .gelu: { unaryRun(GELU<T>.self, $0, $1, $2, $3) }
        case .geluTanh: { unaryRun(TanhGELU<T>.self, $0, $1, $2, $3) }
        case .floor: { unaryRun(Floor<T>.self, $0, $1, $2, $3) }
        case .ceil: { unaryRun(Ceiling<T>.self, $0, $1, $2, $3) }
        case .round: { unaryRun(Rounding<T>.self, $0, $1, $2, $3) }
        case .truncate: { unaryRun(Truncation<T>.self, $0, $1, $2, $3) }
        }
    unaryRuns(run, x, out)
}

@inline(never)
private func unaryRuns<T: ComputeElement>(_ run: UnaryRun<T>, _ x: Tensor, _ out: Tensor) {
    let loop = StridedLoop(out.shape, out.strides, x.strides)
    let step = loop.innerStrides
    let source = x.pointer(as: T.self), destination = out.pointer(as: T.self)
    parallelRanges(loop.count) { range in
        loop.forEachRun(in: range) { length, offsets in
            run(length, destination + offsets[0], source + offsets[1], step)
        }
    }
}

@inline(__always)
private func unaryRun<F: UnaryFunction>(
    _ function: F.Type, _ length: Int, _ to: UnsafeMutablePointer<F.Element>, _ x: UnsafePointer<F.Element>,
    _ step: SIMD4<Int>
) {
    if step[0] == 1 && step[1] == 1 {
        for i in 0..<length { to[i] = F.apply(x[i]) }
    } else {
        for i in 0..<length { to[i &* step[0]] = F.apply(x[i &* step[1]]) }
    }
}

/// Strided runs are copied through a contiguous block, so that they give the same bits as contiguous ones.
private func vectorRun(
    _ kernel: martlet_unary, _ length: Int, _ to: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>,
    _ step: SIMD4<Int>
) {
    if step[0] == 1 && step[1] == 1 || length == 1 { return kernel(x, to, length) }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 256) { block in
        guard let block = block.baseAddress else { return }
        for start in stride(from: 0, to: length, by: 256) {
            let count = min(256, length - start)
            for i in 0..<count { block[i] = x[(start &+ i) &* step[1]] }
            kernel(block, block, count)
            for i in 0..<count { to[(start &+ i) &* step[0]] = block[i] }
        }
    }
}
