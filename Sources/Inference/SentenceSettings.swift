import MartletFormats
import MartletJSON
import MartletModels

/// Settings from the files beside an embedding model.
struct SentenceSettings {
    var prompts: [String: String] = [:]
    var defaultPromptName: String?
    var maximumLength: Int?
    var lowercases = false
    /// The number of leading elements of a vector that are kept (Matryoshka truncation); they are not normalised again.
    var keptNumbers: Int?
    /// Whether pairs of texts are put into the chat template, as messages of the roles query and document.
    var rendersPairs = false
    /// The activation function of a cross-encoder's scores, where it does not stand in `config.json`.
    var activation: DenseActivation?

    /// Reads `sentence_bert_config.json` and `config_sentence_transformers.json`, if they exist.
    init(_ files: ModelFiles) throws {
        guard files.checkpoint.gguf == nil else { return }
        if let config = try Self.reader(files.path + "/sentence_bert_config.json") {
            maximumLength = try config.optionalInteger("max_seq_length", in: 1...(1 << 30))
            lowercases = try config.flag("do_lower_case", default: false)
            rendersPairs = config.json["modality_config"]?["message"]?.object != nil
        }
        if maximumLength == nil, let config = try Self.reader(files.path + "/tokenizer_config.json"),
            let length = config.json["model_max_length"]?.double, length >= 1, length < Double(1 << 30)
        {
            maximumLength = Int(length)
        }
        guard let config = try Self.reader(files.path + "/config_sentence_transformers.json") else { return }
        keptNumbers = try config.optionalInteger("truncate_dim", in: 1...(1 << 30))
        if config.json["activation_fn"]?.string != nil {
            activation = try DenseActivation(config, key: "activation_fn", default: .sigmoid)
        }
        for (name, prompt) in try config.child("prompts")?.json.object ?? [:] {
            guard let text = prompt.isNull ? "" : prompt.string else {
                throw ModelError.wrongValue(
                    file: config.file, key: "prompts.\(name.prefix(40))", found: prompt.kind, expected: "a text")
            }
            prompts[name] = text
        }
        if let name = config.json["default_prompt_name"], !name.isNull {
            defaultPromptName = try config.string("default_prompt_name")
        }
        if let name = defaultPromptName, prompts[name] == nil {
            throw ModelError.wrongValue(
                file: config.file, key: "default_prompt_name", found: "\"\(name.prefix(40))\"",
                expected: prompts.isEmpty
                    ? "no default prompt: the model has no prompts" : prompts.keys.sorted().joined(separator: ", "))
        }
    }

    private static func reader(_ path: String) throws -> ConfigurationReader? {
        guard Folder.exists(path) else { return nil }
        return ConfigurationReader(file: path, json: try JSON(parsing: Folder.read(path)))
    }
}

/// How an embedding model treats texts, described without loading its weights.
public struct EmbeddingDescription: Sendable {
    /// The steps from token vectors to the text vector: "mean pooling, 384 numbers of length one".
    public let vector: String
    /// The names of its prompts, with the default marked; nil if it has none.
    public let prompts: String?
    /// The maximum number of tokens per text, if the files specify it.
    public let maximumLength: Int?

    public init(_ files: ModelFiles) throws {
        let settings = try SentenceSettings(files)
        vector =
            try files.checkpoint.embeddingSteps()
            + (settings.keptNumbers.map { ", the first \($0) numbers of that (truncate_dim)" } ?? "")
        let names = settings.prompts.keys.sorted().map { $0 == settings.defaultPromptName ? "\($0) (default)" : $0 }
        prompts = names.isEmpty ? nil : names.joined(separator: ", ")
        maximumLength = settings.maximumLength
    }
}
