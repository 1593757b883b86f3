import MartletTensor
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Rotary position embedding: cos and sin tables, computed in double precision as positions are first met.
public final class RotaryEmbedding: Sendable {
    public let configuration: Configuration
    private let tables = Mutex<[Int: Tables]>([:])

    /// cos and sin as float32 `[positions, dimension / 2]`.
    public struct Tables: Sendable {
        public let cosine: Tensor
        public let sine: Tensor
        public var positions: Int { cosine.shape[0] }
    }

    public init(_ configuration: Configuration) { self.configuration = configuration }

    /// Tables that cover at least the positions `0 ..< length` of sequences `length` long.
    public func tables(length: Int) -> Tables {
        let regime = configuration.regime(length: length)
        return tables.withLock { tables in
            if let known = tables[regime], known.positions >= length { return known }
            // Dynamic scaling has a table for every length: keep the one that is not stretched and the latest.
            if case .dynamic(_, let contextLength) = configuration.scaling {
                tables = tables.filter { $0.key == contextLength }
            }
            var capacity = 256
            while capacity < length { capacity *= 2 }
            let made = makeTables(positions: capacity, length: length)
            tables[regime] = made
            return made
        }
    }

    private func makeTables(positions: Int, length: Int) -> Tables {
        let (inverse, factor) = configuration.frequencies(length: length)
        let shape: Shape = [positions, inverse.count]
        let cosine = Tensor(uninitialized: shape), sine = Tensor(uninitialized: shape)
        for position in 0..<positions {
            for (pair, frequency) in inverse.enumerated() {
                let angle = Double(position) * frequency
                cosine.floats[position * inverse.count + pair] = Float(cos(angle) * factor)
                sine.floats[position * inverse.count + pair] = Float(sin(angle) * factor)
            }
        }
        return Tables(cosine: cosine, sine: sine)
    }
}
