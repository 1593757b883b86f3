/// One of the quantisations of a repository of GGUF files, in one file or several parts.
package struct QuantizationCandidate: Equatable {
    /// "Q4_K_M"
    package let name: String
    /// Of the repository, in order.
    package let files: [String]

    package init(name: String, files: [String]) {
        self.name = name
        self.files = files
    }

    /// In the order in which they are tried: four bits in a good mix, then what is better where that is not there, then
    /// what is smaller.
    package static let order = [
        "Q4_K_M", "Q5_K_M", "Q4_K_S", "Q5_K_S", "Q4_K", "Q6_K", "Q4_K_L", "Q5_K_L", "Q8_0", "Q4_1", "Q4_0", "MXFP4",
        "IQ4_XS", "IQ4_NL", "Q3_K_L", "Q3_K_M", "IQ3_M", "Q3_K_S", "IQ3_S", "IQ3_XS", "IQ3_XXS", "Q2_K", "IQ2_M",
        "IQ2_S",
        "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S", "BF16", "F16", "F32",
    ]

    /// The GGUF files of a repository that are models: a projector of images lies beside them and is none.
    package static func models(among files: [String]) -> [String] {
        files.filter { file in
            let name = AtomicFile.split(file).name.lowercased()
            return name.hasSuffix(".gguf") && !name.hasPrefix("mmproj")
        }
    }

    /// A model needs room for its cache and its activations beside its weights: a fifth of memory stays free.
    package static func fits(_ bytes: Int, memory: Int?) -> Bool { memory.map { bytes <= $0 / 5 * 4 } ?? true }

    package static func sentence(_ name: String, bytes: Int, of count: Int, memory: Int?, repository: String) -> String
    {
        func shown(_ bytes: Int) -> String { "\((Double(bytes) / 1e8).rounded() / 10) GB" }
        let room = memory.map { " of \(shown($0)) that are free" } ?? ""
        let why =
            fits(bytes, memory: memory)
            ? "\(name) is taken (\(shown(bytes))\(room))"
            : "none fits into the memory that is free; the smallest is taken, \(name) (\(shown(bytes))\(room))"
        return "\(count) quantisations are there: \(why). Name another as \(repository):\(order[0])"
    }
}
