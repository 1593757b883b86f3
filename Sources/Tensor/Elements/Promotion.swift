/// The result type when operand types differ: PyTorch's type promotion, for the types that Martlet has.
///
/// Source: PyTorch documentation, "Tensor Attributes", type promotion. Kinds are ordered bool < integer < float.
extension DType {
    enum Kind: Int, Comparable {
        case boolean, integer, float
        static func < (a: Kind, b: Kind) -> Bool { a.rawValue < b.rawValue }
    }

    /// - Precondition: a plain type.
    var kind: Kind { self == .bool ? .boolean : isFloatingPoint ? .float : .integer }

    /// Whether elements of this type can be negative numbers.
    public var isSigned: Bool { self != .uint8 && self != .bool }

    /// The smallest type that holds both: int8 and uint8 give int16, float16 and bfloat16 give float32, an integer and
    /// a float give the float.
    public static func promoted(_ a: DType, _ b: DType) -> DType {
        if a == b { return a }
        if a.kind != b.kind { return a.kind > b.kind ? a : b }
        switch a.kind {
        case .boolean: return .bool
        case .integer:
            if a == .uint8 || b == .uint8 {
                let other = a == .uint8 ? b : a
                return other == .int8 ? .int16 : other
            }
            return a.blockByteCount > b.blockByteCount ? a : b
        case .float:
            if a.blockByteCount == b.blockByteCount { return .float32 }
            return a.blockByteCount > b.blockByteCount ? a : b
        }
    }

    /// The type in which elements of this type are computed: 16-bit floats in float32, small integers and bools in
    /// int32.
    var computed: DType {
        switch self {
        case .float32, .float16, .bfloat16: .float32
        case .float64, .int64: self
        default: .int32
        }
    }

    /// The result type of a function such as `exp`: the type itself if it is a float, else float32.
    var asFloatingPoint: DType { isFloatingPoint ? self : .float32 }
}

/// The operands of one operation in three groups, by priority in promotion: tensors with dimensions, zero-dimensional
/// tensors, scalars. A group of lower priority counts only if its kind is higher.
struct Promotion {
    private var dimensioned: DType?
    private var zeroDimensional: DType?
    private var number: DType?

    mutating func add(_ tensor: Tensor) {
        if tensor.rank > 0 {
            dimensioned = dimensioned.map { .promoted($0, tensor.dtype) } ?? tensor.dtype
        } else {
            zeroDimensional = zeroDimensional.map { .promoted($0, tensor.dtype) } ?? tensor.dtype
        }
    }

    mutating func add(_ scalar: Scalar) {
        number = number.map { .promoted($0, scalar.dtype) } ?? scalar.dtype
    }

    var result: DType {
        var result = dimensioned
        for lighter in [zeroDimensional, number] {
            guard let lighter else { continue }
            if let heavier = result {
                if lighter.kind > heavier.kind { result = lighter }
            } else {
                result = lighter
            }
        }
        return result ?? .float32
    }
}

extension Tensor {
    /// Throws for quantised operands, which only matrix products and `to(_:)` accept.
    func requirePlain(_ operation: String) throws(TensorError) {
        if dtype.isQuantized {
            throw TensorError(
                .dtype, operation, "\(dtype.name) tensor of shape \(shape): dequantise it first with to(.float32)")
        }
    }

    func requireFloatingPoint(_ operation: String) throws(TensorError) {
        if !dtype.isFloatingPoint {
            throw TensorError(
                .dtype, operation, "needs a floating-point tensor, found \(dtype.name) of shape \(shape)")
        }
    }

    /// An axis index; negative ones count from the end.
    func checkedAxis(_ axis: Int, _ operation: String) throws(TensorError) -> Int {
        let resolved = axis < 0 ? axis + rank : axis
        guard resolved >= 0, resolved < rank else {
            throw TensorError(
                .index, operation, "axis \(axis) is out of range for shape \(shape) (\(rank) dimensions)")
        }
        return resolved
    }
}
