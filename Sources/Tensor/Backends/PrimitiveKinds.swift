/// One operand, one result of the same type.
package enum UnaryOperation: String, Sendable, CaseIterable {
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

/// Two operands, one result, element by element: arithmetic keeps the type, comparison gives bools.
package enum BinaryOperation: String, Sendable, CaseIterable {
    case add, subtract, multiply, divide, floorDivide, remainder, power, minimum, maximum
}

package enum ComparisonOperation: String, Sendable {
    case equal, notEqual, less, lessEqual
}

/// Many elements to one. Sums and products of floats are accumulated in float64.
///
/// The order is fixed by the shape and strides alone: blocks of `reductionBlock` elements of a run are summed in
/// interleaved lanes, and blocks in order. Threads share out whole outputs or whole blocks.
package enum ReductionOperation: String, Sendable {
    case sum, product, maximum, minimum
}

/// Whole rows at a time: running sums, places of extremes, sorting. A row is the elements along the last axis.
package enum ScanOperation: String, Sendable { case sum, product }

/// Elements moved to and from places that a tensor of indices names, along one axis.
package enum ScatterOperation: String, Sendable { case scatter, scatterAdd }
