import MartletNN
import MartletTensor

/// How keys and values are stored in the cache.
///
/// `q8` keeps 8.5 bits of each number of a key and eight of a value, `q4` four of both, with a half precision scale for 64
/// or fewer of a token's head: 0.53 and 0.28 of what `f16` takes. A token's codes do not depend on other tokens, so that a
/// prompt at once and token by token give the same bits, as everywhere.
public enum KVCacheType: String, Sendable, CaseIterable {
    /// Half precision; float32 where weights are computed with exactly.
    case f16
    case q8
    case q4

    func dtype(_ precision: Precision) -> DType {
        switch self {
        case .f16: precision.isExact ? .float32 : .float16
        case .q8: .q8_0
        case .q4: .q4_0
        }
    }
}
