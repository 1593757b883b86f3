import Martlet
import MartletSystem
import Yams

/// A file of options: YAML, or JSON where its name ends so.
enum ConfigurationFile {
    /// Adds what `path` holds to `options`.
    /// - Throws: `TrainingError` that names the file and the line.
    static func read(_ path: String, into options: inout TrainingOptions) throws {
        if path.hasSuffix(".json") { return try options.set(file: path) }
        let text = String(decoding: try Folder.read(path), as: UTF8.self)
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw TrainingError(.configuration, "\(path)\(place(of: error))")
        }
        guard let root else { return }
        if case .scalar(let scalar) = root, scalar.string.isEmpty { return }
        guard case .mapping(let mapping) = root else {
            throw TrainingError(.configuration, "\(path): expected lines of name: value")
        }
        for (key, value) in mapping {
            let line = key.mark.map { ", line \($0.line)" } ?? ""
            guard case .scalar(let name) = key else {
                throw TrainingError(.configuration, "\(path)\(line): a key is no single value")
            }
            if options.takesList(name.string), let folders = folders(value) {
                try options.set(name.string, folders, from: path + line)
                continue
            }
            guard case .scalar(let scalar) = value else {
                throw TrainingError(.configuration, "\(path)\(line): \(name.string.quoted()) is no single value")
            }
            // A run's own configuration, turned to YAML, says where its values came from.
            // Nothing behind the colon is YAML's null, quotes with nothing between them are a text.
            let isNull = scalar.string.isEmpty && scalar.style == .plain
            try options.set(name.string, text: isNull ? "null" : scalar.string, from: path + line)
        }
    }

    /// A list of folders, or folders with weights, as JSON; nil for what is neither.
    private static func folders(_ node: Node) -> JSON? {
        switch node {
        case .sequence(let items): .array(items.map { .string($0.scalar?.string ?? "") })
        case .mapping(let mapping):
            .object(
                JSONObject(
                    mapping.map { folder, weight in
                        let text = weight.scalar?.string ?? ""
                        return (folder.scalar?.string ?? "", Double(text).map { .number($0) } ?? .string(text))
                    }))
        default: nil
        }
    }

    /// ", line 2, column 8: " and what is wrong; below it the line, and a caret under the column.
    private static func place(of error: YamlError) -> String {
        let problem: String, yaml: String, context: YamlError.Context?
        var mark: Mark
        switch error {
        case .scanner(let began, let why, let place, let text), .parser(let began, let why, let place, let text),
            .composer(let began, let why, let place, let text):
            (problem, mark, yaml, context) = (why, place, text, began)
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.prefix(8).map { $0.quoted() }.joined(separator: ", ")
            return ", line \(context.mark.line): \(names) \(keys.count == 1 ? "is" : "are") there twice"
        default:
            return ": " + error.description.split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: " ")
        }
        let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false)
        // What has no end is seen at the file's; where it begins says more.
        if let began = context?.mark, !lines.indices.contains(mark.line - 1) || lines[mark.line - 1].isEmpty {
            mark = began
        }
        let start = ", line \(mark.line), column \(mark.column): \(problem)"
        guard lines.indices.contains(mark.line - 1), mark.column >= 1, mark.column <= 200 else { return start }
        // What is not one column wide is shown as one, so that the caret stands under its place.
        let shown = lines[mark.line - 1].unicodeScalars.prefix(240).map {
            $0.isASCII && $0.value >= 0x20 ? String($0) : "·"
        }
        return "\(start)\n  \(shown.joined())\n  \(String(repeating: " ", count: mark.column - 1))^"
    }
}
