import MartletAdapters
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// A classifier of texts or of their words that training begins: an encoder or a decoder with a head, which is new unless the
/// model has one for the same classes.
public struct StartingClassifier {
    public let path: String
    public let parameters: [Parameter]
    public let architecture: NewArchitecture
    /// What is trained, where it is not the model.
    public var adapter: Adapter? { files.adapter?.adapter }
    let model: LabelledModel
    let files: ModelFolderFiles
    let notes: [String]

    /// - Parameters:
    ///   - base: what files of an adapter are to call the model; its path where left out.
    ///   - locate: finds the files of a name, where options name others.
    /// - Throws: `TrainingError` for an encoder-decoder; `ModelError`; `AdapterError`.
    public init(
        _ model: ModelFiles, _ data: LabelledData, options: TrainingOptions, base: String? = nil,
        locate: @escaping (String) throws -> String = { $0 }
    ) throws {
        let checkpoint = model.checkpoint
        try Self.demand(model)
        path = model.path
        let resolved = try ResolvedOptions(options, vocabularySize: 0), hasAdapter = resolved.adapter.isOn
        guard checkpoint.hasEncoder else {
            let (start, form, note) = try Self.decoder(model, data, resolved, base: base, locate: locate)
            var spec = start.decoder.configuration
            spec.hasHead = false
            (self.model, architecture) = (.decoder(start.decoder, head: form.head.tensor), .decoder(spec))
            (parameters, files, notes) = (form.parameters, form.files, [note])
            return
        }
        try EncoderFiles.demandFolder(model)
        let selection = try TrainedLayers(resolved.encoder, checkpoint), isOverTokens = data.task == .tokens
        let opened = try checkpoint.newAnyClassifier(
            labels: data.labels.count, overTokens: isOverTokens,
            keepsOutput: data.keepsLabels && checkpoint.isOverTokens == isOverTokens,
            seed: resolved.general.randomSeed, where: { !hasAdapter && selection.isTrained($0) })
        self.model = .encoder(opened.model)
        let head = EncoderFiles.Head(
            use: isOverTokens ? "ForTokenClassification" : "ForSequenceClassification",
            labels: data.task.givesNumber ? ["LABEL_0"] : data.labels, problem: data.task.problem)
        let tokenizerFiles = try TrainingData.tokenizerFiles(model.path)
        var notes = selection.notes
        if hasAdapter {
            let trained = try Self.adapter(opened, model, head, resolved, base: base ?? path, locate: locate)
            parameters = trained.adapter.parameters
            var files = ModelFolderFiles(configuration: .null, tokenizerFiles: tokenizerFiles, endTokens: [])
            files.adapter = trained
            self.files = files
        } else {
            let encoder = try EncoderFiles(model, opened.all, opened.trained, head: head)
            parameters = encoder.parameters(opened.trained)
            var files = ModelFolderFiles(
                configuration: encoder.configuration, tokenizerFiles: tokenizerFiles, endTokens: [])
            files.encoder = encoder
            self.files = files
            notes += encoder.notes
        }
        architecture = .encoder(opened.model.encoder.configuration)
        self.notes =
            notes
            + [
                resolved.adapter.from != nil
                    ? "the head is that of the adapter"
                    : opened.made.isEmpty
                        ? "the head is that of the model, for the same classes"
                        : "new in the head: \(opened.made.filter { $0.hasSuffix(".weight") }.joined(separator: ", "))"
            ]
    }

    private static func adapter(
        _ opened: TrainableEncoder<AnyClassifier>, _ files: ModelFiles, _ head: EncoderFiles.Head,
        _ options: ResolvedOptions, base: String, locate: (String) throws -> String
    ) throws -> TrainedAdapter {
        let spec = opened.model.encoder.configuration, isOverTokens = head.use == "ForTokenClassification"
        var trained = try TrainedAdapter(
            options.adapter, on: AdapterBase(opened.model, of: files.checkpoint), depth: spec.layerCount,
            seed: options.general.randomSeed, base: base, taskType: isOverTokens ? "TOKEN_CLS" : "SEQ_CLS",
            locate: locate)
        let replaced = Set(trained.adapter.replaced.map(\.path))
        if let from = options.adapter.from, let missing = opened.made.first(where: { !replaced.contains($0) }) {
            throw TrainingError(
                .configuration,
                "\(from) holds no head for these classes (\(missing)), and \(files.path) has none either: begin a new adapter "
                    + "with the option adapter")
        }
        let own = AdapterHead(labels: head.labels, problem: head.problem)
        if let from = options.adapter.from, let stored = trained.head, stored != own {
            func told(_ head: AdapterHead) -> String {
                head.labels.joined(separator: ",") + (head.problem.map { " (\($0))" } ?? "")
            }
            throw TrainingError(
                .configuration,
                "the head of \(from) is of \(told(stored)), and these are \(told(own)): name the option labels in that order, or "
                    + "begin a new adapter with the option adapter")
        }
        trained.head = own
        return trained
    }

    /// A decoder with a head in place of its output projection, and where the head is from.
    private static func decoder(
        _ model: ModelFiles, _ data: LabelledData, _ options: ResolvedOptions, base: String?,
        locate: @escaping (String) throws -> String
    ) throws -> (StartingModel, SequenceClassifierForm, note: String) {
        let checkpoint = model.checkpoint
        // Which layers are trained is said of encoders alone.
        _ = try TrainedLayers(options.encoder, checkpoint)
        guard options.adapter.from == nil else {
            throw TrainingError(
                .configuration,
                "adapters with the head of a classifier are trained further on text encoders; \(model.path) is a decoder: "
                    + "begin a new adapter with the option adapter")
        }
        let start = try StartingModel(
            model, adapter: options.adapter, seed: options.general.randomSeed, base: base, locate: locate)
        let width = start.decoder.configuration.embeddingSize, name = "score.weight"
        let stored = data.keepsLabels ? checkpoint.tensors.entry(name) : nil
        let keeps = stored.map { Array($0.shape) == [data.labels.count, width] } ?? false
        let labels = data.task.givesNumber ? ["LABEL_0"] : data.labels
        var form = try SequenceClassifierForm(
            start, seed: options.general.randomSeed, .classes(labels, problem: data.task.problem),
            weight: keeps ? checkpoint.tensors.tensor(name) : nil)
        form.files.adapter?.head = AdapterHead(labels: labels, problem: data.task.problem)
        return (
            start, form,
            keeps ? "the head is that of the model, for the same classes" : "new in the head: \(name)"
        )
    }

    /// - Throws: `TrainingError` for an encoder-decoder, before any data is read.
    public static func demand(_ model: ModelFiles) throws {
        let checkpoint = model.checkpoint
        guard !checkpoint.hasEncoder, Family.named(checkpoint.modelType)?.isEncoderDecoder == true else { return }
        throw TrainingError(
            .data,
            "\(model.path) is \(checkpoint.kind.name) of two stacks (\(checkpoint.modelType)); classifiers are trained on text "
                + "encoders (BERT and what follows it) and on decoders (Llama, Qwen)")
    }
}
