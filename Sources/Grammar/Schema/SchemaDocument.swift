import MartletJSON

/// A schema document, whose parts are addressed by JSON pointer (RFC 6901).
struct SchemaDocument {
    let root: JSON
    /// The version in `$schema`.
    let draft: SchemaDraft
    private var anchors: [String: String] = [:]
    /// Whether any subschema has an `unevaluated…` keyword.
    private(set) var hasUnevaluated = false
    private let identifier: String?

    init(_ root: JSON, _ budget: GrammarBudget) throws(GrammarError) {
        self.root = root
        draft = SchemaDraft(root["$schema"]?.string)
        identifier = root["$id"]?.string ?? (draft == .draft4 ? root["id"]?.string : nil)
        var path: [String] = []
        try look(into: root, &path, budget)
    }

    /// Collects anchors. Pointers are only built where an anchor exists: the path to a subschema may be as long as the
    /// document.
    private mutating func look(
        into value: JSON, _ path: inout [String], _ budget: GrammarBudget
    ) throws(GrammarError) {
        try budget.spend(1)
        switch value {
        case .object(let object):
            if object["unevaluatedProperties"] != nil || object["unevaluatedItems"] != nil { hasUnevaluated = true }
            for name in names(of: object) where anchors[name] == nil {
                try budget.spend(path.reduce(0) { $0 + $1.utf8.count } / 16 + 1)
                anchors[name] = path.reduce("") { $0.appending($1) }
            }
            for (key, value) in object {
                path.append(key)
                try look(into: value, &path, budget)
                path.removeLast()
            }
        case .array(let values):
            for (index, value) in values.enumerated() {
                path.append(String(index))
                try look(into: value, &path, budget)
                path.removeLast()
            }
        default: break
        }
    }

    /// The plain names by which references can address a schema.
    private func names(of schema: JSONObject) -> [String] {
        var names = [schema["$anchor"], schema["$dynamicAnchor"]].compactMap { $0?.string }
        if let name = schema[draft == .draft4 ? "id" : "$id"], isPlainName(name), let text = name.string {
            names.append(String(text.dropFirst()))
        }
        return names
    }

    /// `#name` as an identifier: the form of anchors up to draft-07.
    func isPlainName(_ identifier: JSON) -> Bool {
        draft <= .draft7 && identifier.string.map { $0.hasPrefix("#") && $0 != "#" } ?? false
    }

    subscript(pointer: String) -> JSON? {
        var place = root
        for token in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            switch place {
            case .object(let object):
                guard let value = object[Self.unescaped(token)] else { return nil }
                place = value
            case .array(let values):
                guard let index = Int(token), values.indices.contains(index) else { return nil }
                place = values[index]
            default: return nil
            }
        }
        return place
    }

    private static func unescaped(_ token: Substring) -> String {
        guard token.utf8.contains(0x7E) else { return String(token) }
        var bytes: [UInt8] = []
        var isEscaped = false
        for byte in token.utf8 {
            if isEscaped {
                bytes.append(byte == 0x31 ? 0x2F : 0x7E)
                isEscaped = false
            } else if byte == 0x7E {
                isEscaped = true
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The target of a `$ref`. Nothing outside the document is ever fetched.
    func target(of reference: String, at pointer: String) throws(GrammarError) -> String {
        var fragment = Substring(reference)
        if let identifier, reference.hasPrefix(identifier) { fragment = fragment.dropFirst(identifier.count) }
        if fragment.isEmpty, reference == identifier { return "" }
        guard fragment.hasPrefix("#") else {
            throw .unsupportedKeyword("$ref", pointer: pointer, reason: "\"\(reference)\" is not in this document")
        }
        let name = Self.withoutPercents(fragment.dropFirst())
        let target = name.isEmpty || name.hasPrefix("/") ? name : anchors[name]
        guard let target, self[target] != nil else {
            throw .invalidSchema(pointer: pointer, problem: "there is no \"\(reference)\"")
        }
        return target
    }

    private static func withoutPercents(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == 0x25, rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension String {
    /// A JSON pointer with one more reference token.
    func appending(_ token: String) -> String {
        var escaped = ""
        for scalar in token.unicodeScalars {
            switch scalar {
            case "~": escaped += "~0"
            case "/": escaped += "~1"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return self + "/" + escaped
    }

    func appending(_ index: Int) -> String { self + "/\(index)" }
}
