import MartletAdapters
import MartletChat
import MartletFormats
import MartletJSON
import MartletTokenizers

extension StoredAdapter {
    /// The chat template in an adapter's folder, which may be another than its base's, as where a base without one learnt to
    /// chat: `chat_template.jinja`, or `chat_template` in `tokenizer_config.json`, as transformers writes them.
    /// - Returns: nil for an adapter that is a single file, and for a folder without one.
    /// - Throws: `AdapterError` naming the file.
    package static func templateSource(_ path: String) throws(AdapterError) -> String? {
        let file = path + "/chat_template.jinja", settings = path + "/tokenizer_config.json"
        if Folder.isFile(file) {
            do { return String(decoding: try Folder.read(file), as: UTF8.self) } catch {
                throw AdapterError(.file, "\(error)")
            }
        }
        guard Folder.isFile(settings) else { return nil }
        do {
            let json = try JSON(parsing: Folder.read(settings))
            guard let given = json["chat_template"], !given.isNull else { return nil }
            return try ChatTemplates(given)["default"]
        } catch { throw AdapterError(.file, "\(settings): chat_template: \(error)") }
    }

    /// The same, ready to use, where it is another than `own`.
    static func template(_ path: String, unlike own: String?, _ tokenizer: Tokenizer) throws(AdapterError)
        -> ChatTemplate?
    {
        guard let source = try templateSource(path), source != own else { return nil }
        do { return try ChatTemplate(source: source, specialTokens: tokenizer.namedSpecialTokens) } catch {
            throw AdapterError(.file, "the chat template in \(path) cannot be used: \(error)")
        }
    }
}

extension ModelFiles {
    /// The source of the chat template: what `martlet create` was given; that of the first adapter which was tuned with another
    /// than the model's; the model's own.
    public func chatTemplateSource(_ tokenizer: Tokenizer) throws -> String? {
        if let made = created?.template { return made }
        let own = tokenizer.chatTemplate
        for adapter in adapters where adapter.strength != 0 {
            if let other = try StoredAdapter.templateSource(adapter.path), other != own { return other }
        }
        return own
    }
}

extension LanguageModel {
    /// The template of conversations with an adapter: its own, or the model's.
    public func chatTemplate(with adapter: LoadedAdapter?) -> ChatTemplate? { adapter?.chatTemplate ?? chatTemplate }
}
