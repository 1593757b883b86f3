/// The types in which an element, or a block of elements, is stored.
///
/// The quantised types pack `blockLength` consecutive elements of a row into `blockByteCount` bytes, in the layouts of
/// the GGML library. Raw values are the numbers of its `ggml_type`, as in GGUF files; types that GGUF does not have are
/// numbered from 200.
public enum DType: UInt32, Sendable, CaseIterable {
    case float32 = 0
    case float16 = 1
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q5_1 = 7
    case q8_0 = 8
    case q2_K = 10
    case q3_K = 11
    case q4_K = 12
    case q5_K = 13
    case q6_K = 14
    case iq2_XXS = 16
    case iq2_XS = 17
    case iq3_XXS = 18
    case iq1_S = 19
    case iq4_NL = 20
    case iq3_S = 21
    case iq2_S = 22
    case iq4_XS = 23
    case int8 = 24
    case int16 = 25
    case int32 = 26
    case int64 = 27
    case float64 = 28
    case iq1_M = 29
    case bfloat16 = 30
    case tq1_0 = 34
    case tq2_0 = 35
    case mxfp4 = 39
    case uint8 = 200
    case bool = 201
}

extension DType {
    /// Elements that are stored together: 1 for plain types, 32 or 256 for quantised types.
    public var blockLength: Int {
        switch self {
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_NL, .mxfp4: 32
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq1_S, .iq1_M, .iq2_XXS, .iq2_XS, .iq2_S, .iq3_XXS, .iq3_S, .iq4_XS,
            .tq1_0, .tq2_0:
            256
        default: 1
        }
    }

    /// Bytes of one block (of one element for plain types).
    public var blockByteCount: Int {
        switch self {
        case .int8, .uint8, .bool: 1
        case .float16, .bfloat16, .int16: 2
        case .float32, .int32: 4
        case .int64, .float64: 8
        case .q4_0: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q2_K: 84
        case .q3_K: 110
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        case .iq1_S: 50
        case .iq1_M: 56
        case .iq2_XXS: 66
        case .iq2_XS: 74
        case .iq2_S: 82
        case .iq3_XXS: 98
        case .iq3_S: 110
        case .iq4_NL: 18
        case .iq4_XS: 136
        case .tq1_0: 54
        case .tq2_0: 66
        case .mxfp4: 17
        }
    }

    public var isQuantized: Bool { blockLength > 1 }
    public var isFloatingPoint: Bool {
        switch self {
        case .float16, .bfloat16, .float32, .float64: true
        default: false
        }
    }

    /// The name as safetensors and GGUF tools print it: "F32", "BF16", "Q4_K".
    public var name: String {
        switch self {
        case .float32: "F32"
        case .float16: "F16"
        case .bfloat16: "BF16"
        case .float64: "F64"
        case .int8: "I8"
        case .int16: "I16"
        case .int32: "I32"
        case .int64: "I64"
        case .uint8: "U8"
        case .bool: "BOOL"
        case .q4_0: "Q4_0"
        case .q4_1: "Q4_1"
        case .q5_0: "Q5_0"
        case .q5_1: "Q5_1"
        case .q8_0: "Q8_0"
        case .q2_K: "Q2_K"
        case .q3_K: "Q3_K"
        case .q4_K: "Q4_K"
        case .q5_K: "Q5_K"
        case .q6_K: "Q6_K"
        case .iq1_S: "IQ1_S"
        case .iq1_M: "IQ1_M"
        case .iq2_XXS: "IQ2_XXS"
        case .iq2_XS: "IQ2_XS"
        case .iq2_S: "IQ2_S"
        case .iq3_XXS: "IQ3_XXS"
        case .iq3_S: "IQ3_S"
        case .iq4_NL: "IQ4_NL"
        case .iq4_XS: "IQ4_XS"
        case .tq1_0: "TQ1_0"
        case .tq2_0: "TQ2_0"
        case .mxfp4: "MXFP4"
        }
    }

    /// The bytes of `count` elements, or nil when `count` is not a multiple of `blockLength` or the product overflows.
    public func byteCount(of count: Int) -> Int? {
        guard count >= 0, count % blockLength == 0 else { return nil }
        let (bytes, overflow) = (count / blockLength).multipliedReportingOverflow(by: blockByteCount)
        return overflow ? nil : bytes
    }
}
