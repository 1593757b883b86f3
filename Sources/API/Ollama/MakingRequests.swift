import MartletChat
import MartletInference
import MartletJSON

/// Ollama's `POST /api/create`: a model made of another.
public struct CreateRequest: Sendable {
    public var model: String
    public var from: String
    public var system: String?
    public var template: String?
    public var messages: [ChatMessage]
    public var parameters: JSONObject
    public var licences: [String]
    public var isStreamed: Bool

    /// - Throws: `APIError` that names the field.
    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        let alias = try fields.string("name", longest: 1024)
        model = try fields.required("model", fields.string("model", longest: 1024) ?? alias)
        from = try fields.required("from", fields.string("from", longest: 4096))
        system = try fields.string("system")
        template = try fields.string("template")
        parameters = try fields.object("parameters") ?? [:]
        var messages: [ChatMessage] = []
        for (index, item) in (try fields.array("messages", most: 1024) ?? []).enumerated() {
            messages.append(try OllamaMessage.message(item, path: "messages[\(index)]", in: fields))
        }
        self.messages = messages
        switch fields.json("license") {
        case nil: licences = []
        case .string(let text)?: licences = [text]
        case .array(let list)?: licences = list.compactMap(\.string)
        case let other?: throw fields.error("license", "must be a string or a list of strings, not \(other.kind)")
        }
        isStreamed = try fields.bool("stream") ?? true
        for key in ["files", "adapters", "quantize", "modelfile"] {
            try fields.refuse(key, unless: { $0.isNull || $0.object?.isEmpty ?? false || $0.string?.isEmpty ?? false })
        }
    }

    /// The model it makes of the one whose files lie at `path`.
    /// - Throws: `APIError` that names the parameter.
    public func made(path: String) throws(APIError) -> CreatedModel {
        var made: CreatedModel
        if path.hasSuffix(CreatedModel.suffix), let base = try? CreatedModel(file: path) {
            made = base
        } else {
            made = CreatedModel(from: from, path: path)
        }
        made.system = system ?? made.system
        made.template = template ?? made.template
        if !messages.isEmpty { made.messages = messages }
        if !licences.isEmpty { made.licences = licences }
        for (name, value) in parameters { made.parameters[name] = value }
        do throws(OptionError) { _ = try made.options(over: GenerationOptions()) } catch {
            throw APIError("\(error)", parameter: "parameters")
        }
        if let template {
            // Ollama's own templates are Go's.
            do { _ = try ChatTemplate(source: template) } catch {
                throw APIError("template is no Jinja template: \(error)", parameter: "template")
            }
        }
        return made
    }

    /// The lines of the answer, or the last of them.
    public static let done: [JSON] = [
        ["status": "reading model metadata"], ["status": "writing manifest"], ["status": "success"],
    ]
}

/// Ollama's `POST /api/copy`.
public struct CopyRequest: Sendable {
    public var source: String
    public var destination: String

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        source = try fields.required("source", fields.string("source", longest: 1024))
        destination = try fields.required("destination", fields.string("destination", longest: 1024))
    }
}
