import MartletNN
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The learned biases of T5 by the distance of a key from its query, `[buckets, heads]`.
final class RelativePositionBias: ModuleLeaf {
    let path: String
    var kind: String { "relative bias" }
    private(set) var weight: Tensor
    var hooks = LeafHooks()
    let spec: RelativeBiasSpec

    init(_ source: ParameterSource, _ path: String, _ spec: RelativeBiasSpec, heads: Int) {
        self.path = path
        self.spec = spec
        weight = source.parameter(path + ".weight", shape: [spec.buckets, heads], role: .embedding)
        source.register(self)
    }

    var parameters: [ModuleParameter] {
        [ModuleParameter(path: path + ".weight", role: .embedding, value: weight)]
    }

    func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        weight = try change(parameters[0], weight)
    }

    /// One number for each head and distance: `[heads, 2 * farthest + 1]`.
    func bias() throws -> RelativeBias {
        let buckets = (-spec.farthest...spec.farthest).map { Int32(spec.bucket(of: $0)) }
        return try RelativeBias(Fused.embed(buckets, weight, scale: 1).transposed().contiguous())
    }
}

extension RelativeBiasSpec {
    /// The bucket of a distance, key position − query position.
    func bucket(of distance: Int) -> Int {
        let count = isBidirectional ? buckets / 2 : buckets
        let first = isBidirectional && distance > 0 ? count : 0
        let away = isBidirectional ? abs(distance) : max(-distance, 0), exact = count / 2
        guard away >= exact else { return first + away }
        // In single precision, as the models were trained.
        let share = logf(Float(away) / Float(exact)) / Float(log(Double(farthest) / Double(exact)))
        return first + min(exact + Int(share * Float(count - exact)), count - 1)
    }
}
