import MartletTensor
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Rotary position embedding (Su et al. 2021): tables of cos and sin, computed in double precision when positions are
/// first used.
///
/// ```swift
/// let rotary = RotaryEmbedding(RotaryEmbedding.Configuration(theta: 10_000, dimension: 64))
/// let tables = try rotary.tables(length: 2048)      // cos and sin, [positions, 32]
/// ```
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

    /// Tables for at least the positions `0 ..< length`, for sequences of `length` tokens.
    public func tables(length: Int) throws(TensorError) -> Tables {
        let regime = configuration.regime(length: length)
        return try tables.withLock { (tables) throws(TensorError) in
            if let known = tables[regime], known.positions >= length { return known }
            // Dynamic scaling has a table per length: keep the unscaled one and the latest.
            if case .dynamic(_, let contextLength) = configuration.scaling {
                tables = tables.filter { $0.key == contextLength }
            }
            var capacity = 256
            while capacity < length { capacity *= 2 }
            let made = try makeTables(positions: capacity, length: length)
            tables[regime] = made
            return made
        }
    }

    private func makeTables(positions: Int, length: Int) throws(TensorError) -> Tables {
        let (inverse, factor) = configuration.frequencies(length: length)
        var cosines: [Float] = [], sines: [Float] = []
        cosines.reserveCapacity(positions * inverse.count)
        sines.reserveCapacity(positions * inverse.count)
        for position in 0..<positions {
            for frequency in inverse {
                let angle = Double(position) * frequency
                cosines.append(Float(cos(angle) * factor))
                sines.append(Float(sin(angle) * factor))
            }
        }
        let shape: Shape = [positions, inverse.count]
        return Tables(cosine: try Tensor(cosines, shape: shape), sine: try Tensor(sines, shape: shape))
    }
}
