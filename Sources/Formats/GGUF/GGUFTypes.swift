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

    /// The fewest bytes a value can take: a string is at least its length, an array its type and count.
    var leastByteCount: Int { byteCount ?? (self == .string ? 8 : 12) }

    var isInteger: Bool {
        switch self {
        case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: true
        default: false
        }
    }
}

/// A tensor type as the file numbers it (`ggml_type`), among them those Martlet knows the size of but does not
/// compute with.
struct GGMLType {
    let name: String
    let blockLength: Int
    let blockByteCount: Int
    /// Nil when Martlet does not compute with the type.
    let dtype: DType?

    /// Nil for a number that stands for no type.
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

/// What a GGUF file may hold at most. Counts are bounded by the bytes that remain besides.
enum GGUFLimits {
    /// More keys and tensors than any model has, so that a header full of the smallest ones takes no memory to speak of.
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
