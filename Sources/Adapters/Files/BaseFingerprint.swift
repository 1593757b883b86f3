import MartletFormats
import MartletModels
import MartletNN
import MartletTensor

/// Identifies a base model: XXH64 of its sizes and of the weights of its norms as bfloat16.
///
/// Norms are stored in full by every conversion and quantisation, so the files of one model in different forms have one
/// fingerprint, and a model that was trained further has a different one.
public enum BaseFingerprint {
    /// 16 hexadecimal digits.
    public static func of(_ decoder: Decoder) throws -> String {
        let spec = decoder.configuration
        var hash = HashXX64()
        let sizes = [
            spec.vocabularySize, spec.hiddenSize, spec.layerCount, spec.feedForward.size, spec.attention.heads,
        ]
        add("\(sizes)", to: &hash)
        for case let norm as Norm in decoder.tree.leaves {
            guard let weight = norm.weight else { continue }
            let factors = try noGrad {
                try (weight.detach() + Double(norm.weightOffset)).to(.bfloat16).to(.float32)
            }
            let values: [Float] = try factors.toArray()
            add(norm.path, to: &hash)
            values.withUnsafeBytes { hash.update($0) }
        }
        let digits = String(hash.value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func add(_ text: String, to hash: inout HashXX64) {
        Array(text.utf8).withUnsafeBytes { hash.update($0) }
    }
}
