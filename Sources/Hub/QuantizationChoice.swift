import MartletFormats

extension FileSelection {
    /// What there is to choose from where nothing is named, in the order in which they are tried; nil for a repository
    /// without several GGUF files.
    var candidates: [QuantizationCandidate]? {
        let models = QuantizationCandidate.models(among: files)
        let choices = FileSelection(repository: repository, files: models)
        let isFolder =
            files.contains("config.json") && files.contains { $0.hasSuffix(".safetensors") && !$0.contains("/") }
        guard models.count > 1, !isFolder else { return nil }
        let found = QuantizationCandidate.order.compactMap { name in
            (try? choices.named(name)).map { QuantizationCandidate(name: name, files: $0) }
        }
        return found.count > 1 ? found : nil
    }
}
