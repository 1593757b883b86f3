import MartletAdapters
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers

/// A model of text vectors that training goes on from: an encoder, or a decoder that is published as an embedding model.
///
/// ```swift
/// let model = try StartingEmbedder(path: "all-MiniLM-L6-v2", options: options)
/// let data = try EmbeddingData(options, model)
/// let trainer = try Trainer(run: "runs/emb", options: options, embedder: model, pairs: data)
/// ```
public struct StartingEmbedder {
    public let path: String
    public let model: EmbeddingModel
    public let parameters: [Parameter]
    public var tokenizer: Tokenizer { sentences.tokenizer }
    package let sentences: SentenceTokenizer
    /// What memory and time are planned by.
    public let architecture: NewArchitecture
    /// What is trained, where it is not the model.
    public var adapter: Adapter? { files.adapter?.adapter }
    /// What a run is planned by: no longer than a text may be.
    var planned: DecoderConfiguration {
        var spec = architecture.planned
        spec.contextLength = min(spec.contextLength, sentences.contextLength)
        return spec
    }
    let files: ModelFolderFiles
    /// What was decided about the model, a sentence each.
    let notes: [String]

    public init(path: String, options: TrainingOptions) throws {
        try self.init(ModelFiles(path: path), options: options)
    }

    /// Of files that are open.
    /// - Parameters:
    ///   - base: what files of an adapter are to call the model; its path where left out.
    ///   - locate: finds the files of a name, where options name others.
    /// - Throws: `ModelError.wrongKind` for a language model; `TrainingError` for a form that cannot be trained.
    public init(
        _ model: ModelFiles, options: TrainingOptions, base: String? = nil,
        locate: (String) throws -> String = { $0 }
    ) throws {
        let checkpoint = model.checkpoint, resolved = try ResolvedOptions(options, vocabularySize: 0)
        let hasAdapter = resolved.adapter.isOn
        try EncoderFiles.demandFolder(model)
        path = model.path
        let selection = try TrainedLayers(resolved.encoder, checkpoint)
        let opened = try checkpoint.trainableEmbeddingModel { !hasAdapter && selection.isTrained($0) }
        self.model = opened.model
        sentences = try SentenceTokenizer(
            model, contextLength: opened.model.contextLength, vocabularySize: opened.model.vocabularySize)
        var notes = selection.notes, files: ModelFolderFiles
        if opened.model.hasDense { notes.append("dense layers after the pooling stay as they are") }
        if hasAdapter {
            let trained = try Self.adapter(opened.model, model, resolved, base: base ?? path, locate: locate)
            parameters = trained.adapter.parameters
            files = try ModelFolderFiles(of: model, sentences.tokenizer)
            files.adapter = trained
        } else if opened.model.encoder != nil {
            let encoder = try EncoderFiles(model, opened.all, opened.trained, head: nil)
            parameters = encoder.parameters(opened.trained)
            notes += encoder.notes
            files = ModelFolderFiles(
                configuration: encoder.configuration, tokenizerFiles: try TrainingData.tokenizerFiles(model.path),
                endTokens: [])
            files.encoder = encoder
        } else {
            var joins = false
            parameters = try opened.trained.map { parameter in
                guard let name = try checkpoint.publishedName(parameter.name) else {
                    joins = true
                    return parameter
                }
                return Parameter(name: name, role: parameter.role, tensor: parameter.tensor)
            }
            files = try ModelFolderFiles(of: model, sentences.tokenizer)
            files.joined = joins ? opened.model.decoder.map { JoinedModel($0) } : nil
        }
        let width: Int
        switch (opened.model.encoder, opened.model.decoder) {
        case (let encoder?, _):
            (width, architecture) = (encoder.configuration.hiddenSize, .encoder(encoder.configuration))
        case (_, let decoder?):
            (width, architecture) = (decoder.configuration.embeddingSize, .decoder(decoder.configuration))
        default: throw TrainingError(.data, "\(model.path) has neither an encoder nor a decoder")
        }
        files.others = try SentenceFolder.files(model, pooling: opened.model.pooling, width: width)
        self.files = files
        self.notes = notes
    }

    private static func adapter(
        _ model: EmbeddingModel, _ files: ModelFiles, _ options: ResolvedOptions, base: String,
        locate: (String) throws -> String
    ) throws -> TrainedAdapter {
        let depth: Int
        if let decoder = model.decoder {
            guard try !(options.adapter.configuration()?.kind.isPrompt ?? false) else {
                throw TrainingError(
                    .configuration,
                    "\(options.adapter.method.rawValue): learnt tokens before a text would be pooled with it; for vectors take "
                        + "lora, rslora, dora, pissa, ia3, oft, bitfit or freeze")
            }
            depth = decoder.configuration.layers.count
        } else {
            depth = model.encoder?.configuration.layerCount ?? 0
        }
        return try TrainedAdapter(
            options.adapter, on: AdapterBase(model, of: files.checkpoint), depth: depth,
            seed: options.general.randomSeed, base: base, taskType: "FEATURE_EXTRACTION", locate: locate)
    }
}

/// Which parameters of a model are trained.
struct TrainedLayers {
    let isTrained: (String) -> Bool
    let notes: [String]

    init(_ options: EncoderOptions, _ checkpoint: Checkpoint) throws {
        guard let last = options.trainedLayers else {
            isTrained = { _ in true }
            notes = []
            return
        }
        guard checkpoint.hasEncoder else {
            throw TrainingError(.configuration, "train_layers is of text encoders, and \(checkpoint.path) is a decoder")
        }
        let spec = try EncoderConfiguration(checkpoint.configuration), depth = spec.layerCount
        guard !spec.sharesLayers || last == 0 || last == depth else {
            throw TrainingError(
                .configuration,
                "train_layers is \(last), and the \(depth) layers of \(checkpoint.path) share their parameters: 0 or \(depth)"
            )
        }
        guard last <= depth else {
            throw TrainingError(
                .configuration, "train_layers is \(last), and \(checkpoint.path) has \(depth) layers")
        }
        let first = depth - last
        isTrained = { name in
            guard name.hasPrefix("model.") else { return true }
            let parts = name.split(separator: ".")
            // What stands behind the layers is trained with the last of them.
            guard parts.count > 2, parts[1] == "layers", let layer = Int(parts[2]) else {
                return last > 0 && parts.count > 1 && parts[1] == "norm"
            }
            return layer >= first
        }
        notes = [
            last == 0
                ? "the encoder stays as it is: the head alone is trained"
                : "the last \(last) of \(depth) layers are trained, the embeddings and the other layers stay as they are"
        ]
    }
}

/// The small files of a folder that sentence-transformers loads.
enum SentenceFolder {
    /// `modules.json` with the folders it names, and what stands beside it; made anew where the model has none.
    static func files(
        _ model: ModelFiles, pooling: MartletModels.Pooling, width: Int
    ) throws -> [(name: String, bytes: [UInt8])] {
        if let files = try published(model) { return files }
        let type = "sentence_transformers.models."
        let modules: JSON = [
            ["idx": 0, "name": "0", "path": "", "type": .string(type + "Transformer")],
            ["idx": 1, "name": "1", "path": "1_Pooling", "type": .string(type + "Pooling")],
            ["idx": 2, "name": "2", "path": "2_Normalize", "type": .string(type + "Normalize")],
        ]
        var config: JSONObject = ["word_embedding_dimension": .integer(Int64(width))]
        for mode in MartletModels.Pooling.Mode.allCases { config[mode.flag] = .bool(pooling.modes.contains(mode)) }
        config["include_prompt"] = .bool(pooling.includesPrompt)
        return try settings(model) + [
            ("modules.json", modules.bytes(indent: 2)),
            ("1_Pooling/config.json", JSON.object(config).bytes(indent: 2)),
        ]
    }

    /// Those that the model has; nil without `modules.json`.
    static func published(_ model: ModelFiles) throws -> [(name: String, bytes: [UInt8])]? {
        guard let modules = try file(model, "modules.json") else { return nil }
        var files = try settings(model) + [modules]
        for path in (try JSON(parsing: modules.bytes).array ?? []).compactMap({ $0["path"]?.string })
        where !path.isEmpty && Folder.isPlainName(path) {
            for name in ["config.json", "model.safetensors"] {
                if let found = try file(model, "\(path)/\(name)") { files.append(found) }
            }
        }
        return files
    }

    private static func settings(_ model: ModelFiles) throws -> [(name: String, bytes: [UInt8])] {
        try ["config_sentence_transformers.json", "sentence_bert_config.json"].compactMap { try file(model, $0) }
    }

    private static func file(_ model: ModelFiles, _ name: String) throws -> (name: String, bytes: [UInt8])? {
        let path = "\(model.path)/\(name)"
        return Folder.isFile(path) ? (name, try Folder.read(path, limit: .max)) : nil
    }
}
