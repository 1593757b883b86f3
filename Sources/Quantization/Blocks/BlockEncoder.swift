import MartletTensor

/// Encodes weights as blocks of one GGUF type.
///
/// Each type is one file, which defines the runs that share a scale, how the scales are stored, and the layout of the
/// codes' bits. `BlockSearch` searches the best scales and codes, 16 runs at a time.
protocol BlockEncoder: Sendable {
    static var type: DType { get }
    /// The number of weights that share a scale: 16 or 32.
    static var runLength: Int { get }
    /// Encodes a group: whole blocks, at most 16 runs.
    static func encode(_ group: BlockGroup, _ scratch: BlockScratch, to blocks: UnsafeMutableRawPointer)
}

/// Whole blocks of one type that are encoded together.
struct BlockGroup {
    let runs: BlockRuns
    /// The number of blocks.
    let blocks: Int
    var values: UnsafePointer<Float> { runs.values }
}

/// The working memory of an encoder, one for each task.
final class BlockScratch {
    let search = BlockSearch()
    /// 16 numbers each, one for each run.
    let scale: UnsafeMutablePointer<Float>
    let minimum: UnsafeMutablePointer<Float>
    let trialScale: UnsafeMutablePointer<Float>
    let trialMinimum: UnsafeMutablePointer<Float>
    let error: UnsafeMutablePointer<Float>
    let trialError: UnsafeMutablePointer<Float>
    /// `[5, 16]`
    let sums: UnsafeMutablePointer<Float>
    /// A code for each weight of the group.
    let codes: UnsafeMutablePointer<UInt8>
    let importances: UnsafeMutablePointer<UnsafePointer<Float>?>
    private let floats: UnsafeMutablePointer<Float>

    init() {
        floats = .allocate(capacity: 11 * 16)
        floats.initialize(repeating: 0, count: 11 * 16)
        (scale, minimum, trialScale) = (floats, floats + 16, floats + 32)
        (trialMinimum, error, trialError) = (floats + 48, floats + 64, floats + 80)
        sums = floats + 96
        codes = .allocate(capacity: 512)
        codes.initialize(repeating: 0, count: 512)
        importances = .allocate(capacity: 16)
        importances.initialize(repeating: nil, count: 16)
    }

    deinit {
        floats.deallocate()
        codes.deallocate()
        importances.deallocate()
    }
}

extension UnsafeMutableRawPointer {
    /// Stores a float as little-endian half precision.
    func storeHalf(_ value: Float, at offset: Int) {
        storeBytes(of: value.halfBits.littleEndian, toByteOffset: offset, as: UInt16.self)
    }

    func storeByte(_ value: UInt8, at offset: Int) { storeBytes(of: value, toByteOffset: offset, as: UInt8.self) }
}

extension DType {
    /// The encoder for this type; nil for plain types, and for types that can only be read (IQ1 … IQ3).
    var encoder: (any BlockEncoder.Type)? {
        switch self {
        case .q4_0: Q4_0.self
        case .q4_1: Q4_1.self
        case .q5_0: Q5_0.self
        case .q5_1: Q5_1.self
        case .q8_0: Q8_0.self
        case .q2_K: Q2_K.self
        case .q3_K: Q3_K.self
        case .q4_K: Q4_K.self
        case .q5_K: Q5_K.self
        case .q6_K: Q6_K.self
        case .iq4_NL: IQ4_NL.self
        case .iq4_XS: IQ4_XS.self
        case .tq1_0: TQ1_0.self
        case .tq2_0: TQ2_0.self
        case .mxfp4: MXFP4.self
        default: nil
        }
    }

    /// The types that weights can be stored in.
    public static let encodable: [DType] =
        [.float32, .float16, .bfloat16] + allCases.filter { $0.encoder != nil }
}
