import MartletFormats
import MartletJSON
import MartletSystem

/// The modules after the transformer that `modules.json` lists: the format of sentence-transformers.
struct SentenceModules {
    enum Step {
        /// act(x Wᵀ + b), with the folder of its weights.
        case dense(folder: String, configuration: ConfigurationReader)
        /// x / ‖x‖.
        case normalize
    }

    var pooling: Pooling
    var steps: [Step]

    /// Mean pooling and normalisation: the default for a model without `modules.json`.
    init() {
        pooling = Pooling(.mean)
        steps = [.normalize]
    }

    /// - Parameter folder: the folder that contains `modules.json`.
    init(folder: String) throws {
        let file = folder + "/modules.json"
        let list = try Self.json(file)
        guard let modules = list.array else {
            throw ModelError.wrongValue(file: file, key: "modules", found: list.kind, expected: "a list of modules")
        }
        pooling = Pooling(.mean)
        steps = []
        var isPooled = false
        for (index, module) in modules.enumerated() {
            let type = module["type"]?.string ?? ""
            let path = module["path"]?.string ?? ""
            guard path.isEmpty || Folder.isPlainName(path) else {
                throw ModelError.wrongValue(
                    file: file, key: "path", found: path.quoted(), expected: "the name of a folder")
            }
            func reader() throws -> ConfigurationReader {
                let config = "\(folder)/\(path.isEmpty ? "." : path)/config.json"
                return ConfigurationReader(file: config, json: try Self.json(config))
            }
            switch type.split(separator: ".").last ?? "" {
            case "Transformer" where index == 0: break
            case "Pooling":
                pooling = try Pooling(reader())
                isPooled = true
            case "Dense" where isPooled: steps.append(.dense(folder: "\(folder)/\(path)", configuration: try reader()))
            case "Normalize" where isPooled: steps.append(.normalize)
            // Dropout has no effect in inference.
            case "Dropout" where isPooled: break
            default:
                throw ModelError.wrongValue(
                    file: file, key: "type", found: "\(type.quoted()) as module \(index)",
                    expected: "Transformer first, then Pooling, then Dense and Normalize")
            }
        }
        guard isPooled else {
            throw ModelError.wrongValue(
                file: file, key: "type", found: "no Pooling among \(modules.count) modules",
                expected: "a Pooling module, which computes one vector per text")
        }
    }

    /// llama.cpp's numbers for the pooling of a GGUF file: 0 none, 1 mean, 2 first token, 3 last token.
    init(gguf number: Int?) {
        self.init()
        switch number {
        case 2: pooling = Pooling(.cls)
        case 3: pooling = Pooling(.last)
        default: break
        }
    }

    private static func json(_ path: String) throws -> JSON {
        guard Folder.exists(path) else {
            throw ModelError.notAModel(
                path: path, reason: "is listed in modules.json but does not exist: download the model again")
        }
        let bytes = try Folder.read(path)
        do throws(JSONError) { return try JSON(parsing: bytes) } catch {
            throw ModelError.notAModel(path: path, reason: error.description)
        }
    }
}
