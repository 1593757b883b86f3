import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// A classifier of texts or of their words that training begins: an encoder with a head, which is new unless the model has
/// one for the same classes.
public struct StartingClassifier {
    public let path: String
    public let parameters: [Parameter]
    public let architecture: NewArchitecture
    let model: LabelledTexts.Model
    let files: ModelFolderFiles
    let notes: [String]

    /// - Throws: `TrainingError` for a model without an encoder; `ModelError`.
    public init(_ model: ModelFiles, _ data: LabelledData, options: TrainingOptions) throws {
        let checkpoint = model.checkpoint
        try EncoderFiles.demandFolder(model)
        try Self.demandEncoder(model)
        path = model.path
        let resolved = try ResolvedOptions(options, vocabularySize: 0)
        let selection = try TrainedLayers(resolved.encoder, checkpoint), seed = resolved.general.randomSeed
        let keeps = data.keepsLabels && checkpoint.isOverTokens == (data.task == .tokens)
        let labels = data.labels.count, use: String, all: [(name: String, tensor: Tensor)], made: [String]
        let trained: [Parameter]
        if data.task == .tokens {
            let opened = try checkpoint.newTokenClassifier(
                labels: labels, keepsOutput: keeps, seed: seed, where: selection.isTrained)
            self.model = .tokens(opened.model)
            (use, all, made, trained) = ("ForTokenClassification", opened.all, opened.made, opened.trained)
        } else {
            let opened = try checkpoint.newClassifier(
                labels: labels, keepsOutput: keeps, seed: seed, where: selection.isTrained)
            self.model = .texts(opened.model)
            (use, all, made, trained) = ("ForSequenceClassification", opened.all, opened.made, opened.trained)
        }
        let names = data.task == .regression ? ["LABEL_0"] : data.labels
        let encoder = try EncoderFiles(
            model, all, trained, head: .init(use: use, labels: names, problem: data.task.problem))
        parameters = encoder.parameters(trained)
        var files = ModelFolderFiles(
            configuration: encoder.configuration, tokenizerFiles: try TrainingData.tokenizerFiles(model.path),
            endTokens: [])
        files.encoder = encoder
        self.files = files
        architecture = .encoder(self.model.encoder.configuration)
        notes =
            selection.notes + encoder.notes
            + [
                made.isEmpty
                    ? "the head is that of the model, for the same classes"
                    : "new in the head: \(made.filter { $0.hasSuffix(".weight") }.joined(separator: ", "))"
            ]
    }

    /// - Throws: `TrainingError` for a decoder or an encoder-decoder, before any data is read.
    public static func demandEncoder(_ model: ModelFiles) throws {
        guard !model.checkpoint.hasEncoder else { return }
        let kind = model.checkpoint.kind
        throw TrainingError(
            .data,
            "\(model.path) is \(kind.name) (\(kind.uses)); classifiers are trained on text encoders (BERT and what follows it)"
                + (kind == .generates ? "; martlet reward puts one score on a language model" : ""))
    }
}
