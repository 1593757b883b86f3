import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Sinusoids {
    /// The vectors of some positions: `[positions, size]`.
    func vectors(_ positions: [Int32], size: Int) throws -> Tensor {
        let half = size / 2
        let frequencies = (0..<half).map { index -> Double in
            switch self {
            case .plain: pow(10_000, -2 * Double(index) / Double(size))
            case .fairseq: exp(-log(10_000) * Double(index) / Double(max(half - 1, 1)))
            }
        }
        var values: [Float] = []
        values.reserveCapacity(positions.count * size)
        for position in positions {
            let place = Double(position) + (self == .fairseq ? 2 : 0)
            values += frequencies.map { Float(sin(place * $0)) } + frequencies.map { Float(cos(place * $0)) }
            if size % 2 == 1 { values.append(0) }
        }
        return try Tensor(values, shape: [positions.count, size])
    }
}
