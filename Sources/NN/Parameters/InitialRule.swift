import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How a parameter begins for which no scheme of matrices is right: decays, steps and short convolutions of recurrent
/// layers. An initialiser follows it whatever its scheme is.
public enum InitialRule: Sendable, Equatable {
    case constant(Double)
    /// ln 1, ln 2, ln 3, … along the last dimension, so that decays −e^x are −1, −2, −3, … (S4D-Real, Gu et al. 2022).
    case logarithms
    /// ln u with u uniform in a range above 0.
    case logOfUniform(ClosedRange<Double>)
    /// softplus⁻¹(Δ) with ln Δ uniform between the logarithms of the range's ends, Δ at least `floor`: the bias with
    /// which steps begin within the range (Gu and Dao 2023, section 3.6).
    case steps(ClosedRange<Double>, floor: Double)
    /// U(±bound).
    case uniform(bound: Double)

    func tensor(_ shape: Shape, _ random: inout RandomStream) throws(TensorError) -> Tensor {
        func drawn(_ range: ClosedRange<Double>, _ change: (Double) -> Double) throws(TensorError) -> Tensor {
            let uniform = try Tensor.uniform(
                shape, low: range.lowerBound, high: range.upperBound, dtype: .float64, using: &random)
            return try Tensor(uniform.toArray(as: Double.self).map { Float(change($0)) }, shape: shape)
        }
        switch self {
        case .constant(let value): return try Tensor.full(shape, value, dtype: .float32)
        case .logarithms:
            let width = max(shape.last ?? 1, 1)
            return try Tensor((0..<shape.elementCount).map { Float(log(Double($0 % width + 1))) }, shape: shape)
        case .logOfUniform(let range): return try drawn(range, log)
        case .steps(let range, let floor):
            return try drawn(log(range.lowerBound)...log(range.upperBound)) { logarithm in
                let step = max(exp(logarithm), floor)
                return step + log(-expm1(-step))
            }
        case .uniform(let bound): return try Tensor.uniform(shape, low: -bound, high: bound, using: &random)
        }
    }
}
