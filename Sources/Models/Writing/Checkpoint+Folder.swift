import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

extension Checkpoint {
    /// The language model's tensors as a folder of it has them, in the stored type. What a conversion to GGUF changed is
    /// changed back: pairs of rows of queries and keys, and what was added to norms.
    ///
    /// ```swift
    /// for tensor in try checkpoint.folderTensors() { print(tensor.name, tensor.shape) }
    /// ```
    /// - Throws: `ModelError.unsupported` for a text encoder, and what opening the model would throw.
    public func folderTensors() throws -> [WrittenTensor] {
        let reading = try decoderReading()
        let published = ConfigurationReader(file: path, json: try publishedConfiguration())
        var spec = try Family.configuration(published).1
        spec.hasHead = reading.configuration.hasHead
        guard let family = Family.named(spec.family), case .decoder(let form) = family.body else {
            throw ModelError.unsupported(file: path, reason: "a \(modelType) is no language model")
        }
        let target = spec
        let change = gguf == nil ? nil : ConversionChange(stored: reading.configuration, published: target)
        return try written(
            reading, places: { form.naming.places($0.name, target).first },
            rearranged: { try change?.undone($1, of: $0.name, role: $0.role) ?? $1 })
            + unusedKeys(target, isGGUF: false)
    }
}
