import Martlet
import MartletSystem
import MartletVerbs
import Yams

/// A file of options: YAML, or JSON where its name ends so.
enum ConfigurationFile {
    /// Adds what `path` holds to `options`: options of this program, or a file of another that tunes models.
    /// - Parameter model: that the command begins with, where its line says so.
    /// - Throws: `TrainingError` that names the file and the line.
    static func read(_ path: String, into options: inout TrainingOptions, model: String? = nil) throws {
        if path.hasSuffix(".json") {
            let object: JSON
            do {
                object = try JSON(parsing: Folder.read(path))
            } catch let error as JSONError {
                throw TrainingError(.configuration, "\(path): \(error)")
            }
            if try translate(object, path, [:], model, &options) { return }
            return try options.set(object, from: path)
        }
        let text = String(decoding: try Folder.read(path), as: UTF8.self)
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch let error as YamlError {
            let (place, problem) = error.told
            throw TrainingError(.configuration, "\(path)\(place): \(problem)")
        }
        guard let root else { return }
        if case .scalar(let scalar) = root, scalar.string.isEmpty { return }
        guard case .mapping(let mapping) = root else {
            throw TrainingError(.configuration, "\(path): expected lines of name: value")
        }
        var lines: [String: Int] = [:]
        for (key, _) in mapping {
            if let name = key.scalar?.string, let mark = key.mark { lines[name] = mark.line }
        }
        if try translate(YAMLValue.value(root, path), path, lines, model, &options) { return }
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

    /// Takes a file of another program.
    /// - Returns: false for one of this program's own options.
    private static func translate(
        _ file: JSON, _ path: String, _ lines: [String: Int], _ model: String?, _ options: inout TrainingOptions
    ) throws -> Bool {
        guard let dialect = ConfigurationDialect.recognised(file, for: options.command) else { return false }
        let named = model ?? file["model_name_or_path"]?.string ?? file["base_model"]?.string ?? file["model"]?.string
        let read = try dialect.translated(file, path: path, lines: lines, for: options.command) {
            named.map(isQuantized) ?? false
        }
        try options.set(read)
        Terminal.note(
            "\(path) is a file of \(dialect.rawValue): \(Set(read.settings.map(\.name)).count) options come from it "
                + "(--print-config shows them)")
        for note in read.notes { Terminal.note("  \(note)") }
        if let model, let own = read.model, own != model {
            Terminal.note("  its model \(own) gives way to \(model)")
        }
        return true
    }

    /// Whether a model's file has its weights in few bits.
    private static func isQuantized(_ name: String) -> Bool {
        guard let path = try? ModelLocator.locate(name) else { return false }
        if path.hasSuffix(".gguf") {
            let file = path.split(separator: "/").last.map { $0.lowercased() } ?? ""
            return !["f32", "f16", "bf16"].contains { file.contains($0) }
        }
        let bytes = try? Folder.read(path + "/config.json")
        return bytes.flatMap { try? JSON(parsing: $0) }?["quantization_config"].map { !$0.isNull } ?? false
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
}
