import MartletTensor

/// The type of a metadata value (`gguf_type`).
public enum GGUFValueType: UInt32, Sendable, CaseIterable {
    case uint8 = 0
    case int8 = 1
    case uint16 = 2
    case int16 = 3
    case uint32 = 4
    case int32 = 5
    case float32 = 6
    case bool = 7
    case string = 8
    case array = 9
    case uint64 = 10
    case int64 = 11
    case float64 = 12

    /// Bytes of one value; nil for strings and arrays.
    var byteCount: Int? {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .string, .array: nil
        }
    }

    /// The smallest number of bytes of a value: a string has at least its length, an array its type and count.
    var leastByteCount: Int { byteCount ?? (self == .string ? 8 : 12) }

    var isInteger: Bool {
        switch self {
        case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: true
        default: false
        }
    }
}

/// A tensor type by its number in the file (`ggml_type`); includes types whose size Martlet knows but which it does not
/// compute with.
struct GGMLType {
    let name: String
    let blockLength: Int
    let blockByteCount: Int
    /// Nil when Martlet does not compute with the type.
    let dtype: DType?

    /// Nil for a number without a type.
    init?(_ number: UInt32) {
        if let dtype = DType(rawValue: number), number < 200 {
            self.init(dtype.name, dtype.blockLength, dtype.blockByteCount, dtype)
            return
        }
        switch number {
        case 9: self.init("Q8_1", 32, 36)
        case 15: self.init("Q8_K", 256, 292)
        case 40: self.init("NVFP4", 64, 36)
        case 41: self.init("Q1_0", 128, 18)
        default: return nil
        }
    }

    private init(_ name: String, _ blockLength: Int, _ blockByteCount: Int, _ dtype: DType? = nil) {
        self.name = name
        self.blockLength = blockLength
        self.blockByteCount = blockByteCount
        self.dtype = dtype
    }
}

/// Limits for the header of a GGUF file. Counts are also limited by the bytes that remain in the file.
enum GGUFLimits {
    /// The limit of metadata keys and of tensors. It is more than any model has, and low enough that a header full of
    /// the smallest entries takes little memory.
    static let keys = 1 << 16
    static let tensors = 1 << 18
    static let keyByteCount = 65_535
    static let stringByteCount = 1 << 20
    static let arrayDepth = 2
    static let dimensions = 4
    static let alignments = 8...4096
    static let versions: ClosedRange<UInt32> = 2...3
    static let defaultAlignment = 32
    static let alignmentKey = "general.alignment"
}
