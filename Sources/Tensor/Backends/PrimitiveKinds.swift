/// One operand; the result has the same type.
package enum UnaryOperation: String, Sendable, CaseIterable {
    case negative, absolute, sign, square
    case exp, expm1, log, log1p, log2, sqrt, rsqrt, reciprocal
    case sin, cos, tan, tanh, erf, sigmoid, silu, gelu, geluTanh
    case floor, ceil, round, truncate

    /// Whether integers keep their type; the other operations convert them to floating point.
    var keepsIntegers: Bool {
        switch self {
        case .negative, .absolute, .sign, .square, .floor, .ceil, .round, .truncate: true
        default: false
        }
    }
}

/// Two operands, element by element: arithmetic keeps the type, comparison gives bools.
package enum BinaryOperation: String, Sendable, CaseIterable {
    case add, subtract, multiply, divide, floorDivide, remainder, power, minimum, maximum
}

package enum ComparisonOperation: String, Sendable {
    case equal, notEqual, less, lessEqual
}

/// Many elements to one. Sums and products of floats are accumulated in float64.
///
/// The order depends only on shape and strides: blocks of `reductionBlock` elements are summed in interleaved lanes,
/// and the blocks are added in order. Threads divide the work into whole outputs or whole blocks.
package enum ReductionOperation: String, Sendable {
    case sum, product, maximum, minimum
}

/// Operations on whole rows: running sums, indices of extremes, sorting. A row is the elements along the last axis.
package enum ScanOperation: String, Sendable { case sum, product }

/// Elements moved to and from positions that an index tensor gives, along one axis.
package enum ScatterOperation: String, Sendable { case scatter, scatterAdd }
