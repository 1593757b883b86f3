import MartletTensor

/// A metadata value. Arrays remain in the file until they are accessed.
public enum GGUFValue: Sendable {
    case uint8(UInt8)
    case int8(Int8)
    case uint16(UInt16)
    case int16(Int16)
    case uint32(UInt32)
    case int32(Int32)
    case float32(Float)
    case bool(Bool)
    case string(String)
    case array(GGUFArray)
    case uint64(UInt64)
    case int64(Int64)
    case float64(Double)

    public var type: GGUFValueType {
        switch self {
        case .uint8: .uint8
        case .int8: .int8
        case .uint16: .uint16
        case .int16: .int16
        case .uint32: .uint32
        case .int32: .int32
        case .float32: .float32
        case .bool: .bool
        case .string: .string
        case .array: .array
        case .uint64: .uint64
        case .int64: .int64
        case .float64: .float64
        }
    }

    /// The value of any integer type, if it fits.
    public var integer: Int? {
        switch self {
        case .uint8(let value): Int(value)
        case .int8(let value): Int(value)
        case .uint16(let value): Int(value)
        case .int16(let value): Int(value)
        case .uint32(let value): Int(value)
        case .int32(let value): Int(value)
        case .uint64(let value): Int(exactly: value)
        case .int64(let value): Int(value)
        default: nil
        }
    }

    /// The value of a floating-point type, or of an integer.
    public var double: Double? {
        switch self {
        case .float32(let value): Double(value)
        case .float64(let value): value
        case .uint64(let value): Double(value)
        default: integer.map(Double.init)
        }
    }

    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var array: GGUFArray? { if case .array(let value) = self { value } else { nil } }

    /// "uint32", "array of string", …, for messages.
    public var typeDescription: String {
        if case .array(let array) = self { return "array of \(array.elementType)" }
        return "\(type)"
    }
}

extension GGUFValue: CustomStringConvertible {
    /// The value on one line; an array by its length and first elements.
    public var description: String {
        switch self {
        case .uint64(let value): return String(value)
        case .float32(let value): return value.description
        case .float64(let value): return value.description
        case .bool(let value): return value ? "true" : "false"
        case .string(let value): return FormatError.quote(value)
        case .array(let array):
            let first = array.prefix(6).map(\.description).joined(separator: ", ")
            return array.count > 6 ? "[\(first), … \(array.count) in all]" : "[\(first)]"
        default: return integer.map(String.init) ?? ""
        }
    }
}
