import MartletModels
import MartletTensor

/// An adapter read from a file of any form, with PEFT's names and shapes.
public struct StoredAdapter: Sendable {
    /// The path of the tensors' file, for errors.
    public let file: String
    public var configuration: AdapterConfiguration
    public var tensors: [String: Tensor]
    /// What is ignored in its files and may matter.
    public var notes: [String] = []
    /// The fingerprint of the base it was trained on, if the files contain it.
    public var baseFingerprint: String?
    /// What its head gives, if the files say so.
    public var head: AdapterHead?
    /// "peft", "mlx" or "gguf".
    public let form: Form

    public enum Form: String, Sendable, CaseIterable { case peft, mlx, gguf }

    public init(
        file: String, form: Form, _ configuration: AdapterConfiguration, _ tensors: [String: Tensor],
        notes: [String] = [], baseFingerprint: String? = nil, head: AdapterHead? = nil
    ) {
        (self.file, self.form, self.configuration, self.tensors) = (file, form, configuration, tensors)
        (self.notes, self.baseFingerprint, self.head) = (notes, baseFingerprint, head)
    }

    public var parameterCount: Int { tensors.values.reduce(0) { $0 + $1.elementCount } }

    /// Names of modules that have tensors, sorted.
    public var modules: [String] {
        Set(
            tensors.keys.compactMap { key -> String? in
                guard let cut = key.range(of: ".lora_") ?? key.range(of: ".ia3_") ?? key.range(of: ".oft_") else {
                    return key.hasSuffix(".weight") ? String(key.dropLast(".weight".count)) : key
                }
                return String(key[..<cut.lowerBound])
            }
        ).map { $0.hasPrefix("base_model.model.") ? String($0.dropFirst("base_model.model.".count)) : $0 }.sorted()
    }
}

extension String {
    /// The first occurrence of a text, without Foundation.
    func range(of text: String) -> Range<Index>? { firstRange(of: text) }
}

extension StoredAdapter {
    /// An adapter in any of the three forms: a folder of PEFT or mlx-lm, or a GGUF file.
    /// - Parameter decoder: the base, whose names a GGUF file's are turned into.
    public static func read(_ path: String, of decoder: Decoder) throws -> StoredAdapter {
        try read(path, base: decoder)
    }

    /// The same on any kind of model.
    public static func read(_ path: String, of base: AdapterBase) throws -> StoredAdapter {
        guard path.hasSuffix(".gguf"), base.decoder == nil else { return try read(path, base: base.decoder) }
        throw AdapterError(
            .unsupported, "\(path): GGUF has adapters of language models alone, and the base is a text encoder")
    }

    /// The same if there may be no base.
    public static func read(_ path: String, base decoder: Decoder?) throws -> StoredAdapter {
        guard path.hasSuffix(".gguf") else { return try PEFTFolder.read(path) }
        guard let decoder else {
            throw AdapterError(
                .configuration,
                "\(path): the tensor names of a GGUF adapter depend on its base: give the base (--base MODEL)"
            )
        }
        return try GGUFAdapter.read(path, of: decoder)
    }
}
