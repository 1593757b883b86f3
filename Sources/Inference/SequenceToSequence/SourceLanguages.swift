import MartletModels
import MartletTokenizers

extension LanguageModel {
    /// The encoder's tokens of a text, and the token that a reply in the target language begins with.
    /// - Parameters:
    ///   - from: the language of the text as the model calls it: "fr", "fr_XX", "fra_Latn"; nil for its own.
    ///   - to: the language of the reply.
    /// - Throws: `OptionError` for a language that the model does not know.
    package func source(
        _ text: String, from: String?, to: String?, addsSpecial: Bool = true
    ) throws -> (tokens: [Int32], first: Int32?) {
        var text = text, first: Int32?, isSourceSaid = false
        let languages = LanguageTokens(tokenizer), prefixes = reader?.prefixes ?? [:]
        if let to {
            if let known = languages.id(to) {
                first = known
            } else if let marker = tokenizer.id(of: ">>\(to)<<").map({ _ in ">>\(to)<< " }) {
                text = marker + text
            } else if let from, let prefix = prefixes["translation_\(from)_to_\(to)"] {
                text = prefix + text
                isSourceSaid = true
            } else {
                throw OptionError(
                    option: "the target language", value: to.quoted(limit: 40),
                    expected: languages.expected(prefixes.keys.sorted()))
            }
        }
        var ids = try promptTokens(text, addsSpecial: addsSpecial)
        if let from, !isSourceSaid {
            guard let id = languages.id(from) else {
                throw OptionError(
                    option: "the source language", value: from.quoted(limit: 40), expected: languages.expected([]))
            }
            if let place = ids.firstIndex(where: languages.contains) { ids[place] = id } else { ids.insert(id, at: 0) }
        }
        return (ids, first)
    }
}

/// The tokens of a multilingual model that name a language: `fr_XX` (mBART), `fra_Latn` (NLLB), `__fr__` (M2M-100).
private struct LanguageTokens {
    private var ids: [String: Int32] = [:]

    init(_ tokenizer: Tokenizer) {
        for token in tokenizer.addedTokens {
            let name =
                token.content.hasPrefix("__") && token.content.hasSuffix("__")
                ? String(token.content.dropFirst(2).dropLast(2)) : token.content
            let parts = name.split(separator: "_", omittingEmptySubsequences: false)
            let isCode = (2...3).contains(parts[0].utf8.count) && parts[0].utf8.allSatisfy { (97...122).contains($0) }
            guard isCode, parts.count == 2 || name != token.content else { continue }
            ids[name] = token.id
        }
    }

    var isEmpty: Bool { ids.isEmpty }
    func contains(_ id: Int32) -> Bool { ids.values.contains(id) }

    /// By the whole name, or by the language alone where one token is of it.
    func id(_ name: String) -> Int32? {
        if let id = ids[name] { return id }
        let found = ids.filter { $0.key.split(separator: "_").first.map(String.init) == name }
        return found.count == 1 ? found.first?.value : nil
    }

    func expected(_ tasks: [String]) -> String {
        let names = ids.keys.sorted().prefix(12).joined(separator: ", ")
        if !ids.isEmpty { return "one of \(ids.count) languages: \(names)\(ids.count > 12 ? ", …" : "")" }
        let pairs = tasks.filter { $0.hasPrefix("translation_") }
        return pairs.isEmpty
            ? "none: the model writes one language only" : "a pair of " + pairs.joined(separator: ", ")
    }
}
