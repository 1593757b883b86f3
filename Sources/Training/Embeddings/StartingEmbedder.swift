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
    /// - Throws: `ModelError.wrongKind` for a language model; `TrainingError` for a form that cannot be trained.
    public init(_ model: ModelFiles, options: TrainingOptions) throws {
        let checkpoint = model.checkpoint, chosen = try ResolvedOptions(options, vocabularySize: 0).encoder
        try EncoderFiles.demandFolder(model)
        path = model.path
        let selection = try TrainedLayers(chosen, checkpoint)
        let opened = try checkpoint.trainableEmbeddingModel(where: selection.isTrained)
        self.model = opened.model
        sentences = try SentenceTokenizer(
            model, contextLength: opened.model.contextLength, vocabularySize: opened.model.vocabularySize)
        var notes = selection.notes
        if opened.model.hasDense { notes.append("dense layers after the pooling stay as they are") }
        if let body = opened.model.encoder {
            let encoder = try EncoderFiles(model, opened.all, opened.trained, head: nil)
            parameters = encoder.parameters(opened.trained)
            notes += encoder.notes
            var files = ModelFolderFiles(
                configuration: encoder.configuration, tokenizerFiles: try TrainingData.tokenizerFiles(model.path),
                endTokens: [])
            files.encoder = encoder
            files.others = try SentenceFolder.files(
                model, pooling: opened.model.pooling, width: body.configuration.hiddenSize)
            self.files = files
            architecture = .encoder(body.configuration)
        } else {
            guard let decoder = opened.model.decoder else {
                throw TrainingError(.data, "\(model.path) has neither an encoder nor a decoder")
            }
            var joins = false
            parameters = try opened.trained.map { parameter in
                guard let name = try checkpoint.publishedName(parameter.name) else {
                    joins = true
                    return parameter
                }
                return Parameter(name: name, role: parameter.role, tensor: parameter.tensor)
            }
            var files = try ModelFolderFiles(of: model, sentences.tokenizer)
            files.joined = joins ? JoinedModel(decoder) : nil
            files.others = try SentenceFolder.files(
                model, pooling: opened.model.pooling, width: decoder.configuration.hiddenSize)
            self.files = files
            architecture = .decoder(decoder.configuration)
        }
        self.notes = notes
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
        let root = model.path
        var files: [(name: String, bytes: [UInt8])] = []
        func take(_ name: String) throws -> Bool {
            guard Folder.isFile("\(root)/\(name)") else { return false }
            files.append((name, try Folder.read("\(root)/\(name)", limit: .max)))
            return true
        }
        _ = try take("config_sentence_transformers.json")
        _ = try take("sentence_bert_config.json")
        guard try take("modules.json") else {
            let type = "sentence_transformers.models."
            let modules: JSON = [
                ["idx": 0, "name": "0", "path": "", "type": .string(type + "Transformer")],
                ["idx": 1, "name": "1", "path": "1_Pooling", "type": .string(type + "Pooling")],
                ["idx": 2, "name": "2", "path": "2_Normalize", "type": .string(type + "Normalize")],
            ]
            var config: JSONObject = ["word_embedding_dimension": .integer(Int64(width))]
            for mode in MartletModels.Pooling.Mode.allCases { config[mode.flag] = .bool(pooling.modes.contains(mode)) }
            config["include_prompt"] = .bool(pooling.includesPrompt)
            return files + [
                ("modules.json", modules.bytes(indent: 2)),
                ("1_Pooling/config.json", JSON.object(config).bytes(indent: 2)),
            ]
        }
        let list = try JSON(parsing: Folder.read(root + "/modules.json")).array ?? []
        for path in list.compactMap({ $0["path"]?.string }) where !path.isEmpty && Folder.isPlainName(path) {
            for name in ["config.json", "model.safetensors"] { _ = try take("\(path)/\(name)") }
        }
        return files
    }
}
