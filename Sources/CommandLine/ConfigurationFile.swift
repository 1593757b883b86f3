import Martlet
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
            throw TrainingError(.configuration, "\(path): \(oneLine(error.description))")
        }
        guard let root else { return }
        if case .scalar(let scalar) = root, scalar.string.isEmpty { return }
        guard case .mapping(let mapping) = root else {
            throw TrainingError(.configuration, "\(path): expected lines of name: value")
        }
        for (key, value) in mapping {
            let line = key.mark.map { ", line \($0.line)" } ?? ""
            guard case .scalar(let name) = key, case .scalar(let scalar) = value else {
                let name = key.scalar?.string ?? "a key"
                throw TrainingError(.configuration, "\(path)\(line): \"\(name)\" is no single value")
            }
            // A run's own configuration, turned to YAML, says where its values came from.
            try options.set(name.string, text: scalar.string, from: path + line)
        }
    }

    private static func oneLine(_ text: String) -> String {
        text.split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: " ")
    }
}
