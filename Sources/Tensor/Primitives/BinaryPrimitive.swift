/// Two operands, one result, element by element: arithmetic keeps the type, comparison gives bools.
enum BinaryOperation: String, Sendable {
    case add, subtract, multiply, divide, floorDivide, remainder, power, minimum, maximum
}

enum ComparisonOperation: String, Sendable {
    case equal, notEqual, less, lessEqual
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
    /// - Precondition: all are of one computed type, and the operands broadcast to `destination.shape`.
    static func apply(_ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, into destination: Tensor) {
        switch destination.dtype {
        case .float32: applyArithmetic(operation, Float.self, a, b, destination)
        case .float64: applyArithmetic(operation, Double.self, a, b, destination)
        case .int64: applyArithmetic(operation, Int64.self, a, b, destination)
        default: applyArithmetic(operation, Int32.self, a, b, destination)
        }
    }

    /// `destination` is a bool tensor; `a` and `b` are of one computed type.
    static func apply(_ operation: ComparisonOperation, _ a: Tensor, _ b: Tensor, into destination: Tensor) {
        switch a.dtype {
        case .float32: applyComparison(operation, Float.self, a, b, destination)
        case .float64: applyComparison(operation, Double.self, a, b, destination)
        case .int64: applyComparison(operation, Int64.self, a, b, destination)
        default: applyComparison(operation, Int32.self, a, b, destination)
        }
    }
}

private func applyArithmetic<T: ComputeElement>(
    _ operation: BinaryOperation, _ type: T.Type, _ a: Tensor, _ b: Tensor, _ out: Tensor
) {
    switch operation {
    case .add: binaryRuns(Plus<T>.self, a, b, out)
    case .subtract: binaryRuns(Minus<T>.self, a, b, out)
    case .multiply: binaryRuns(Times<T>.self, a, b, out)
    case .divide: binaryRuns(Over<T>.self, a, b, out)
    case .floorDivide: binaryRuns(FloorOver<T>.self, a, b, out)
    case .remainder: binaryRuns(Modulo<T>.self, a, b, out)
    case .power: binaryRuns(Power<T>.self, a, b, out)
    case .minimum: binaryRuns(Smaller<T>.self, a, b, out)
    case .maximum: binaryRuns(Larger<T>.self, a, b, out)
    }
}

private func applyComparison<T: ComputeElement>(
    _ operation: ComparisonOperation, _ type: T.Type, _ a: Tensor, _ b: Tensor, _ out: Tensor
) {
    switch operation {
    case .equal: binaryRuns(Equal<T>.self, a, b, out)
    case .notEqual: binaryRuns(NotEqual<T>.self, a, b, out)
    case .less: binaryRuns(Less<T>.self, a, b, out)
    case .lessEqual: binaryRuns(LessEqual<T>.self, a, b, out)
    }
}

@inline(__always)
private func binaryRuns<F: BinaryFunction>(_ function: F.Type, _ a: Tensor, _ b: Tensor, _ out: Tensor) {
    let loop = StridedLoop(
        out.shape, out.strides, a.stridesBroadcast(to: out.shape), b.stridesBroadcast(to: out.shape))
    let step = loop.innerStrides
    let first = a.pointer(as: F.Input.self), second = b.pointer(as: F.Input.self)
    let result = out.pointer(as: F.Output.self)
    parallelRanges(loop.count) { range in
        loop.forEachRun(in: range) { length, offsets in
            let to = result + offsets[0], x = first + offsets[1], y = second + offsets[2]
            switch (step[0], step[1], step[2]) {
            case (1, 1, 1):
                for i in 0..<length { to[i] = F.apply(x[i], y[i]) }
            case (1, 1, 0):
                let constant = y[0]
                for i in 0..<length { to[i] = F.apply(x[i], constant) }
            case (1, 0, 1):
                let constant = x[0]
                for i in 0..<length { to[i] = F.apply(constant, y[i]) }
            default:
                for i in 0..<length { to[i &* step[0]] = F.apply(x[i &* step[1]], y[i &* step[2]]) }
            }
        }
    }
}
