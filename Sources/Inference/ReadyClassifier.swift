import MartletAdapters
import MartletModels
import MartletNN

/// A classifier with what its files say of it, on an encoder, a decoder or an encoder-decoder.
struct ReadyClassifier {
    enum Model {
        case texts(TextHead)
        case tokens(TokenClassifier)
    }

    let model: Model
    /// The names of the classes.
    let labels: [String]
    /// transformers' `problem_type`.
    let problem: String?
    /// What of adapters' files is ignored and may matter.
    let notes: [String]
    /// Of the model, not of its tokenizer.
    let vocabularySize, contextLength: Int

    /// - Throws: `ModelError.wrongKind` for a model that is no classifier; `AdapterError`.
    init(_ files: ModelFiles) throws {
        let checkpoint = files.checkpoint
        guard !checkpoint.hasEncoder else {
            let opened = try OpenedClassifier(files), spec = opened.model.encoder.configuration
            switch opened.model {
            case .texts(let model): self.model = .texts(.encoder(model))
            case .tokens(let model): self.model = .tokens(model)
            }
            (labels, problem, notes) = (opened.labels, opened.problem, opened.notes)
            (vocabularySize, contextLength) = (spec.vocabularySize, spec.contextLength)
            return
        }
        guard files.adapters.isEmpty else {
            let adapted = try Self.adapted(files)
            model = .texts(.decoder(adapted.model))
            (labels, problem, notes) = (adapted.labels, adapted.problem, adapted.notes)
            (vocabularySize, contextLength) = (adapted.model.vocabularySize, adapted.model.contextLength)
            return
        }
        let own = try checkpoint.decoderClassifier()
        model = .texts(.decoder(own))
        labels = checkpoint.labels(count: own.labelCount)
        problem = try checkpoint.configuration.string("problem_type", default: "")
        notes = []
        (vocabularySize, contextLength) = (own.vocabularySize, own.contextLength)
    }

    /// A decoder with adapters, one of which holds the head.
    private static func adapted(
        _ files: ModelFiles
    ) throws -> (model: DecoderClassifier, labels: [String], problem: String?, notes: [String]) {
        let checkpoint = files.checkpoint, key = "base_model.model.score.weight"
        guard !checkpoint.hasEncoderDecoder else {
            throw AdapterError(
                .unsupported,
                "adapters of classifiers are put on encoders and decoders, and \(checkpoint.modelType) is neither: give a "
                    + "folder of the whole classifier")
        }
        var stored = try files.adapters.map { try StoredAdapter.read($0.path, base: nil) }
        let holders = stored.indices.filter { stored[$0].tensors[key] != nil }
        guard let place = holders.first, holders.count == 1 else {
            throw AdapterError(
                .unsupported,
                "\(holders.count) of the adapters hold a head (score.weight), and a classifier on a decoder has one: "
                    + "martlet classify-train --adapter lora writes such an adapter")
        }
        let head = stored[place].head
        guard let weight = stored[place].tensors.removeValue(forKey: key) else { throw AdapterError(.file, "no head") }
        stored[place].configuration.savedModules.removeAll { ["score", "classifier"].contains($0) }
        let own = try checkpoint.decoderClassifier(head: weight.to(.float32))
        guard let decoder = own.decoder else { throw AdapterError(.unsupported, "\(files.path) is no decoder") }
        if let head, head.labels.count != own.labelCount {
            throw AdapterError(
                .file,
                "the adapter's file names \(head.labels.count) labels, and its head gives \(own.labelCount) numbers")
        }
        let notes = try files.attach(stored, to: AdapterBase(decoder))
        return (own, head?.labels ?? (0..<own.labelCount).map(String.init), head?.problem, notes)
    }

    func prepare(_ precision: Precision) throws {
        switch model {
        case .texts(let model): try model.prepare(precision)
        case .tokens(let model): try model.prepare(precision)
        }
    }
}
