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
            throw AdapterError(
                .unsupported,
                "adapters of classifiers are put on encoders (BERT and what follows it), and \(checkpoint.modelType) is "
                    + "none: give a folder of the whole classifier")
        }
        let own = try checkpoint.decoderClassifier()
        model = .texts(.decoder(own))
        labels = checkpoint.labels(count: own.labelCount)
        problem = try checkpoint.configuration.string("problem_type", default: "")
        notes = []
        (vocabularySize, contextLength) = (own.vocabularySize, own.contextLength)
    }

    func prepare(_ precision: Precision) throws {
        switch model {
        case .texts(let model): try model.prepare(precision)
        case .tokens(let model): try model.prepare(precision)
        }
    }
}
