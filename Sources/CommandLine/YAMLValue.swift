import Martlet
import MartletSystem
import MartletVerbs
import Yams

/// A YAML file as a value, as PyYAML resolves it: `yes` is true, quotes make texts, and a tag of the file's own
/// (`!function name`) is an object with the tag as its key.
enum YAMLValue {
    /// - Throws: `EvaluationError` with file and line.
    static func read(_ path: String) throws -> JSON {
        let bytes = try Folder.read(path, limit: 1 << 26)
        if path.hasSuffix(".json") {
            do { return try JSON(parsing: bytes) } catch { throw EvaluationError(path, "\(error)") }
        }
        let text = String(decoding: bytes, as: UTF8.self)
        do {
            guard let root = try Yams.compose(yaml: text) else { return .object([:]) }
            return try value(root, path)
        } catch let error as YamlError {
            let (place, problem) = error.told
            throw EvaluationError(path + place, problem)
        }
    }

    static func value(_ node: Node, _ path: String) throws -> JSON {
        switch node {
        case .sequence(let items): return .array(try items.map { try value($0, path) })
        case .mapping(let mapping):
            var members: [JSONObject.Element] = []
            for (key, item) in mapping {
                guard case .scalar(let name) = key else {
                    throw EvaluationError(path, place: key.mark.map { "line \($0.line)" }, "a key is no single value")
                }
                members.append((name.string, try value(item, path)))
            }
            return .object(JSONObject(members))
        case .scalar(let scalar):
            let tag = node.tag.description
            if tag.hasPrefix("!"), tag.count > 1 { return .object(JSONObject([(tag, .string(scalar.string))])) }
            switch tag {
            case "tag:yaml.org,2002:null": return .null
            case "tag:yaml.org,2002:bool": return node.bool.map { .bool($0) } ?? .string(scalar.string)
            case "tag:yaml.org,2002:int": return node.int.map { .integer(Int64($0)) } ?? .string(scalar.string)
            case "tag:yaml.org,2002:float": return node.float.map { .number($0) } ?? .string(scalar.string)
            default: return .string(scalar.string)
            }
        case .alias: throw EvaluationError(path, "an alias names nothing")
        }
    }
}
