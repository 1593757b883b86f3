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
    public static func of(_ decoder: Decoder) throws -> String { try of(AdapterBase(decoder)) }

    /// The same of any kind of model. A head on an encoder has no part in it.
    public static func of(_ base: AdapterBase) throws -> String {
        var hash = HashXX64()
        add("\(base.sizes)", to: &hash)
        for case let norm as Norm in base.tree.leaves where !base.isOfHead(norm.path) {
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
