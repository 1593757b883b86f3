import MartletInference
import MartletJSON
import MartletTokenizers

/// A fill-in-the-middle request, for a model that was trained for it.
public struct Infill: Sendable, Equatable {
    public var prefix: String
    public var suffix: String
    /// Other files to put before it, with their names.
    public var extra: [(name: String, text: String)] = []
    /// The start of the middle.
    public var beginning = ""

    public static func == (a: Infill, b: Infill) -> Bool {
        a.prefix == b.prefix && a.suffix == b.suffix && a.beginning == b.beginning
            && a.extra.elementsEqual(b.extra) { $0 == $1 }
    }
}

extension GenerationRequest {
    /// The body of llama.cpp's `POST /infill`.
    public init(infill body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        var infill = Infill(
            prefix: try fields.required("input_prefix", fields.string("input_prefix")),
            suffix: try fields.required("input_suffix", fields.string("input_suffix")))
        infill.beginning = try fields.string("prompt") ?? ""
        for (index, item) in (try fields.array("input_extra", most: limits.documents) ?? []).enumerated() {
            var file = try FieldReader(item, path: "input_extra[\(index)]", in: fields)
            infill.extra.append(
                (try file.string("filename") ?? "tmp", try file.required("text", file.string("text"))))
        }
        self.init(dialect: .llamaCompletion, input: .infill(infill))
        try readLlamaServer(&fields, limits)
        unknownFields += fields.unread
    }
}

extension Infill {
    /// The special tokens that mark the parts, with the names that models give them.
    private static let spellings: [(prefix: String, suffix: String, middle: String)] = [
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"), ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"), ("<PRE>", "<SUF>", "<MID>"),
        ("▁<PRE>", "▁<SUF>", "▁<MID>"), ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
        ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ]

    /// The prompt: the other files, the text before, the text after, and the start of the middle. Special tokens
    /// spelled in these texts are plain text.
    func tokens(_ model: LanguageModel) throws(APIError) -> [Int32] {
        let tokenizer = model.tokenizer
        for spelling in Self.spellings {
            guard let prefix = tokenizer.id(of: spelling.prefix), let suffix = tokenizer.id(of: spelling.suffix),
                let middle = tokenizer.id(of: spelling.middle)
            else { continue }
            func text(_ text: String, _ place: String) throws(APIError) -> [Int32] {
                if Task.isCancelled { throw .clientLeft }
                do throws(TokenizerError) {
                    return try tokenizer.encode(text, addSpecialTokens: false, parseSpecial: false)
                } catch {
                    throw .invalid(place, "cannot be expressed in the model's vocabulary: \(error)")
                }
            }
            var tokens: [Int32] = []
            if tokenizer.addsBOS, let begin = tokenizer.namedSpecialTokens["bos_token"].flatMap(tokenizer.id) {
                tokens.append(begin)
            }
            let separator = tokenizer.id(of: "<|file_sep|>") ?? tokenizer.id(of: "<file_sep>")
            for (index, file) in extra.enumerated() {
                if let separator { tokens.append(separator) }
                tokens += try text("\(file.name)\n\(file.text)\n", "input_extra[\(index)]")
            }
            if let separator, !extra.isEmpty { tokens += [separator] + (try text("filename\n", "input_extra")) }
            tokens += [prefix] + (try text(self.prefix, "input_prefix"))
            tokens += [suffix] + (try text(self.suffix, "input_suffix"))
            tokens += [middle] + (try text(beginning, "prompt"))
            return tokens
        }
        throw APIError(
            status: 501,
            "This model's vocabulary has no tokens for the parts of a text with a gap (as <|fim_prefix|>): "
                + "it cannot fill one in.", type: "not_supported_error", code: "infill_not_supported")
    }
}
