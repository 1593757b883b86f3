import MartletSystem

/// The `post_processor` of a `tokenizer.json`.
extension FileField {
    private static let postProcessorKinds = [
        "TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel", "Sequence",
    ]

    func template(depth: Int = 0) throws(TokenizerError) -> SequenceTemplate {
        let type = try type()
        switch type {
        case "ByteLevel": return .bare  // It changes offsets only.
        case "Sequence":
            guard depth < 16 else { throw malformed("sequences nested deeper than 16") }
            var template = SequenceTemplate.bare
            for field in try required("processors").elements() {
                template = try field.template(depth: depth + 1).applied(to: template)
                guard template.single.count <= 1024 else { throw malformed("a template of more than 1024 parts") }
            }
            return template
        case "BertProcessing":
            let (start, end) = (try namedToken("cls"), try namedToken("sep"))
            return SequenceTemplate(
                single: [.token(start, type: 0), .first(type: 0), .token(end, type: 0)],
                pair: [
                    .token(start, type: 0), .first(type: 0), .token(end, type: 0), .second(type: 1),
                    .token(end, type: 1),
                ])
        case "RobertaProcessing":
            let (start, end) = (try namedToken("cls"), try namedToken("sep"))
            return SequenceTemplate(
                single: [.token(start, type: 0), .first(type: 0), .token(end, type: 0)],
                pair: [
                    .token(start, type: 0), .first(type: 0), .token(end, type: 0), .token(end, type: 0),
                    .second(type: 0), .token(end, type: 0),
                ])
        case "TemplateProcessing":
            var ids: [[UInt8]: [Int32]] = [:]
            if let tokens = self["special_tokens"] {
                for (name, value) in try tokens.object() {
                    let token = FileField(value, file: file, path: "\(tokens.path).\(name)")
                    var list: [Int32] = []
                    for id in try token.required("ids").elements() { list.append(try id.id()) }
                    ids[Array(name.utf8)] = list
                }
            }
            return SequenceTemplate(
                single: try required("single").templateParts(ids, texts: ["A"]),
                pair: try self["pair"]?.templateParts(ids, texts: ["A", "B"]) ?? SequenceTemplate.bare.pair)
        default: throw try required("type").unsupported(type, known: Self.postProcessorKinds)
        }
    }

    /// `["[CLS]", 101]`
    private func namedToken(_ key: String) throws(TokenizerError) -> Int32 {
        let field = try required(key)
        let parts = try field.elements()
        guard parts.count == 2 else { throw field.malformed("expected a token and its id") }
        return try parts[1].id()
    }

    private func templateParts(_ ids: [[UInt8]: [Int32]], texts: [String]) throws(TokenizerError) -> [SequenceTemplate
        .Part]
    {
        var parts: [SequenceTemplate.Part] = []
        var seen: [String] = []
        for field in try elements() {
            if let token = field["SpecialToken"] {
                let name = try token.required("id").string()
                let type = try token["type_id"]?.id() ?? 0
                guard let found = ids[Array(name.utf8)] else {
                    throw token.malformed("\(name.quoted()) is not among the special_tokens")
                }
                parts += found.map { .token($0, type: type) }
            } else if let text = field["Sequence"] {
                let name = try text.required("id").string()
                let type = try text["type_id"]?.id() ?? 0
                guard texts.contains(name) else {
                    throw text.malformed("expected \(texts.joined(separator: " or ")), found \(name.quoted())")
                }
                guard !seen.contains(name) else {
                    throw text.malformed("\(name.quoted()) occurs twice in the template")
                }
                seen.append(name)
                parts.append(name == "A" ? .first(type: type) : .second(type: type))
            } else {
                throw field.malformed("expected a SpecialToken or a Sequence")
            }
        }
        guard seen.count == texts.count else { throw malformed("the template leaves out a text") }
        return parts
    }
}
