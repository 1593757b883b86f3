import MartletChat
import MartletFormats
import MartletJSON
import MartletModels

/// A model made of another and what it is to be used with: a system message, parameters, a template, first messages.
///
/// It is a small JSON file that names the other model; `martlet create` and `POST /api/create` write it, and whatever
/// opens a model opens it. Its settings replace the model's own recommendations; requests still override them.
public struct CreatedModel: Sendable {
    /// The suffix of such a file's name.
    public static let suffix = ".martlet.json"

    /// The base model's name as given, and the path of its files.
    public var from: String
    public var path: String
    /// A PEFT folder or GGUF adapter that is put on it.
    public var adapter: String?
    public var system: String?
    /// A chat template in place of the model's own.
    public var template: String?
    public var messages: [ChatMessage]
    /// By ollama's names, in the order they were given; `stop` is a list of texts.
    public var parameters: JSONObject
    public var licences: [String]

    public init(from: String, path: String) {
        self.from = from
        self.path = path
        messages = []
        parameters = [:]
        licences = []
    }

    /// - Throws: `ModelError` that names the file and the key.
    public init(file: String) throws {
        let json: JSON
        do { json = try JSON(parsing: Folder.read(file)) } catch {
            throw ModelError.wrongValue(
                file: file, key: "the file", found: "no JSON", expected: "what martlet create writes")
        }
        func text(_ key: String) throws -> String? {
            guard let value = json[key], !value.isNull else { return nil }
            guard let text = value.string else {
                throw ModelError.wrongValue(file: file, key: key, found: value.kind, expected: "a text")
            }
            return text
        }
        guard let from = try text("from"), let path = try text("path") else {
            throw ModelError.missingKey(file: file, key: "from", expected: "the model it is made of")
        }
        self.init(from: from, path: path)
        (adapter, system, template) = (try text("adapter"), try text("system"), try text("template"))
        messages = try (json["messages"]?.array ?? []).map { try ChatMessage($0) }
        parameters = json["parameters"]?.object ?? [:]
        licences = (json["licences"]?.array ?? []).compactMap(\.string)
        // The parameters are checked when the model is opened, not with each request.
        _ = try options(over: GenerationOptions())
    }

    public var json: JSON {
        var object: JSONObject = ["from": .string(from), "path": .string(path)]
        if let adapter { object["adapter"] = .string(adapter) }
        if let system { object["system"] = .string(system) }
        if let template { object["template"] = .string(template) }
        if !messages.isEmpty { object["messages"] = .array(messages.map(\.json)) }
        if !parameters.isEmpty { object["parameters"] = .object(parameters) }
        if !licences.isEmpty { object["licences"] = .array(licences.map { .string($0) }) }
        return .object(object)
    }

    /// As a Modelfile.
    public var modelfile: String {
        var lines = ["FROM \(from)"]
        if let adapter { lines.append("ADAPTER \(adapter)") }
        for (name, value) in parameters {
            for one in value.array ?? [value] {
                lines.append("PARAMETER \(name) \(Modelfile.quoted(one.string ?? one.text()))")
            }
        }
        if let system { lines.append("SYSTEM \(Modelfile.quoted(system))") }
        if let template { lines.append("TEMPLATE \(Modelfile.quoted(template))") }
        for message in messages { lines.append("MESSAGE \(message.role) \(Modelfile.quoted(message.content ?? ""))") }
        for licence in licences { lines.append("LICENSE \(Modelfile.quoted(licence))") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A conversation with this model's messages prepended: its system message if the conversation has none, and its
    /// first messages.
    public func completed(_ conversation: [ChatMessage]) -> [ChatMessage] {
        let isSystem = conversation.first.map { ["system", "developer"].contains($0.role) } ?? false
        var before = isSystem ? [conversation[0]] : []
        if !isSystem, let system { before = [ChatMessage(role: "system", content: system)] }
        return before + messages + conversation.dropFirst(isSystem ? 1 : 0)
    }
}

extension CreatedModel {
    /// Parameters that are read, with what they mean; `PARAMETER` of another name is refused.
    static let parameterNames = [
        "temperature", "top_k", "top_p", "min_p", "typical_p", "repeat_penalty", "repeat_last_n", "presence_penalty",
        "frequency_penalty", "seed", "num_predict", "stop",
    ]
    /// Ollama's parameters about how a model is loaded, which a server decides at its start here.
    static let passedOver: Set<String> = [
        "num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap",
        "use_mlock",
        "numa", "low_vram", "f16_kv", "vocab_only", "penalize_newline", "draft_num_predict",
    ]

    /// The names of stored parameters without effect, for a warning.
    public var withoutEffect: [String] { parameters.map(\.key).filter(Self.passedOver.contains) }

    /// Where one is among its parameters.
    var temperature: Float? { parameters["temperature"]?.double.map { Float($0) } }

    /// The sampling options with its parameters on top; nil where it has none of sampling.
    func sampling(over base: SamplingOptions) throws -> SamplingOptions? {
        var options = GenerationOptions()
        options.sampling = base
        let changed = try self.options(over: options).sampling
        let others: Set<String> = ["num_predict", "stop", "seed"]
        let has = parameters.contains { !others.contains($0.key) && !Self.passedOver.contains($0.key) }
        return has || changed != base ? changed : nil
    }

    /// The options with its parameters on top.
    /// - Throws: `OptionError` that names the parameter.
    public func options(over base: GenerationOptions) throws(OptionError) -> GenerationOptions {
        var options = base
        for (name, value) in parameters {
            func number() throws(OptionError) -> Float {
                guard let number = value.double, number.isFinite else {
                    throw OptionError(option: "PARAMETER \(name)", value: value.text(), expected: "a number")
                }
                return Float(number)
            }
            func integer(_ range: ClosedRange<Int>) throws(OptionError) -> Int {
                guard let integer = value.integer.flatMap({ Int(exactly: $0) }), range.contains(integer) else {
                    throw OptionError(
                        option: "PARAMETER \(name)", value: value.text(),
                        expected: "an integer in \(range.lowerBound)…\(range.upperBound)")
                }
                return integer
            }
            switch name {
            case "temperature": options.sampling.temperature = try number()
            case "top_k": options.sampling.topK = max(try integer(-1...Int(Int32.max)), 0)
            case "top_p": options.sampling.topP = try number()
            case "min_p": options.sampling.minP = try number()
            case "typical_p": options.sampling.typicalP = try number()
            case "repeat_penalty": options.sampling.repetitionPenalty = try number()
            case "repeat_last_n":
                let last = try integer(-1...Int(Int32.max))
                options.sampling.penaltyWindow = last < 0 ? nil : last
            case "presence_penalty": options.sampling.presencePenalty = try number()
            case "frequency_penalty": options.sampling.frequencyPenalty = try number()
            case "seed":
                let seed = try integer(-1...Int.max)
                options.sampling.seed = seed < 0 ? nil : UInt64(seed)
            case "num_predict":
                let most = try integer(-2...Int(Int32.max))
                options.maximumTokens = most > 0 ? most : nil
            case "stop":
                for one in value.array ?? [value] {
                    guard let text = one.string, !text.isEmpty else {
                        throw OptionError(option: "PARAMETER stop", value: one.text(), expected: "a text")
                    }
                    options.stopStrings.append(text)
                }
            case _ where Self.passedOver.contains(name): break
            default:
                throw OptionError(
                    option: "PARAMETER", value: name,
                    expected: "one of \(Self.parameterNames.joined(separator: ", "))")
            }
        }
        return options
    }
}
