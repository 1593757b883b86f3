/// What the filter `format_span` makes of a reply: its entities as `per: Ada $ loc: London`.
enum NamedSpans {
    private static let labels = [
        ("person", "PER"), ("location", "LOC"), ("organization", "ORG"), ("counties", "LOC"), ("places", "LOC"),
        ("people", "PER"), ("persons", "PER"), ("company", "ORG"), ("country", "LOC"), ("continent", "LOC"),
        ("time", "DATE"), ("date", "DATE"), ("per", "PER"), ("loc", "LOC"), ("org", "ORG"),
    ]

    static func formatted(_ reply: String) throws -> String {
        var text = reply.lowercased()
        for (label, short) in labels {
            text = try PythonRegex("\\b\(label)\\s*:").replacing(in: text, with: "\(short):")
        }
        text = text.replacing(all: "$$", with: "$")
        while text.hasSuffix("$") { text.removeLast() }
        text = text.replacing(all: "\n", with: "$").spaceTrimmed
        var found: [String] = []
        for groups in try PythonRegex("\\b(PER|LOC|ORG|DATE):\\s*([^$]+)").findAll(text) where groups.count == 2 {
            for entity in groups[1].split(separator: ",", omittingEmptySubsequences: false) {
                let entity = String(entity).spaceTrimmed
                if entity.lowercased() != "none" { found.append("\(groups[0].lowercased()): \(entity)") }
            }
        }
        return found.joined(separator: " $ ")
    }
}
