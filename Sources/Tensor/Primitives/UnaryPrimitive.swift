/// One operand, one result of the same type.
enum UnaryOperation: String, Sendable {
    case negative, absolute, sign, square
    case exp, expm1, log, log1p, log2, sqrt, rsqrt, reciprocal
    case sin, cos, tan, tanh, erf, sigmoid, silu, gelu, geluTanh
    case floor, ceil, round, truncate

    /// Whether integers keep their type; the others are computed in floating point.
    var keepsIntegers: Bool {
        switch self {
        case .negative, .absolute, .sign, .square, .floor, .ceil, .round, .truncate: true
        default: false
        }
    }
}

protocol UnaryFunction<Element> {
    associatedtype Element: ComputeElement
    static func apply(_ x: Element) -> Element
}

extension Tensor {
    /// `destination = operation(self)`; `destination` may be this tensor.
    /// - Precondition: both of one computed type (a float one unless the operation keeps integers) and one shape.
    func apply(_ operation: UnaryOperation, into destination: Tensor) {
        switch dtype {
        case .float32: applyReal(operation, Float.self, self, destination)
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
/// x / 2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): Hendrycks and Gimpel 2016, as GPT-2 has it.
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

private func applySimple<T: ComputeElement>(
    _ operation: UnaryOperation, _ type: T.Type, _ x: Tensor, _ out: Tensor
) {
    switch operation {
    case .negative: unaryRuns(Negative<T>.self, x, out)
    case .absolute: unaryRuns(Absolute<T>.self, x, out)
    case .sign: unaryRuns(Sign<T>.self, x, out)
    case .square: unaryRuns(Square<T>.self, x, out)
    default: unaryRuns(Identity<T>.self, x, out)
    }
}

private func applyReal<T: RealElement>(
    _ operation: UnaryOperation, _ type: T.Type, _ x: Tensor, _ out: Tensor
) {
    switch operation {
    case .negative: unaryRuns(NegativeReal<T>.self, x, out)
    case .absolute: unaryRuns(AbsoluteReal<T>.self, x, out)
    case .sign: unaryRuns(Sign<T>.self, x, out)
    case .square: unaryRuns(Square<T>.self, x, out)
    case .exp: unaryRuns(Exponential<T>.self, x, out)
    case .expm1: unaryRuns(ExponentialMinusOne<T>.self, x, out)
    case .log: unaryRuns(Logarithm<T>.self, x, out)
    case .log1p: unaryRuns(LogarithmOnePlus<T>.self, x, out)
    case .log2: unaryRuns(BinaryLogarithm<T>.self, x, out)
    case .sqrt: unaryRuns(SquareRoot<T>.self, x, out)
    case .rsqrt: unaryRuns(ReciprocalSquareRoot<T>.self, x, out)
    case .reciprocal: unaryRuns(Reciprocal<T>.self, x, out)
    case .sin: unaryRuns(Sine<T>.self, x, out)
    case .cos: unaryRuns(Cosine<T>.self, x, out)
    case .tan: unaryRuns(Tangent<T>.self, x, out)
    case .tanh: unaryRuns(HyperbolicTangent<T>.self, x, out)
    case .erf: unaryRuns(ErrorFunction<T>.self, x, out)
    case .sigmoid: unaryRuns(Sigmoid<T>.self, x, out)
    case .silu: unaryRuns(SiLU<T>.self, x, out)
    case .gelu: unaryRuns(GELU<T>.self, x, out)
    case .geluTanh: unaryRuns(TanhGELU<T>.self, x, out)
    case .floor: unaryRuns(Floor<T>.self, x, out)
    case .ceil: unaryRuns(Ceiling<T>.self, x, out)
    case .round: unaryRuns(Rounding<T>.self, x, out)
    case .truncate: unaryRuns(Truncation<T>.self, x, out)
    }
}

@inline(__always)
private func unaryRuns<F: UnaryFunction>(_ function: F.Type, _ x: Tensor, _ out: Tensor) {
    let loop = StridedLoop(out.shape, out.strides, x.strides)
    let step = loop.innerStrides
    let source = x.pointer(as: F.Element.self), destination = out.pointer(as: F.Element.self)
    parallelRanges(loop.count) { range in
        loop.forEachRun(in: range) { length, offsets in
            let to = destination + offsets[0], from = source + offsets[1]
            if step[0] == 1 && step[1] == 1 {
                for i in 0..<length { to[i] = F.apply(from[i]) }
            } else {
                for i in 0..<length { to[i &* step[0]] = F.apply(from[i &* step[1]]) }
            }
        }
    }
}
