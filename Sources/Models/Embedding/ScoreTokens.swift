import MartletFormats
import MartletJSON

/// The tokens whose logits behind a prompt are a language model's score: the module LogitScore of sentence-transformers, as
/// Qwen3-Reranker has it.
///
///     score = logit(yes) − logit(no), or logit(yes) alone
struct ScoreTokens: Sendable, Equatable {
    let yes: Int32
    let no: Int32?

    init(yes: Int32, no: Int32?) { (self.yes, self.no) = (yes, no) }

    /// - Parameter folder: the model's.
    /// - Returns: nil where `modules.json` lists no such module.
    init?(folder: String) throws {
        let list = folder + "/modules.json"
        guard Folder.exists(list), let modules = try Self.json(list).array, modules.count == 2,
            modules[1]["type"]?.string?.hasSuffix(".LogitScore") == true
        else { return nil }
        let path = modules[1]["path"]?.string ?? ""
        guard Folder.isPlainName(path) else {
            throw ModelError.wrongValue(
                file: list, key: "path", found: "\"\(path.prefix(40))\"", expected: "the name of a folder")
        }
        let file = "\(folder)/\(path)/config.json"
        guard Folder.exists(file) else {
            throw ModelError.notAModel(
                path: file, reason: "is listed in modules.json but does not exist: download the model again")
        }
        let config = ConfigurationReader(file: file, json: try Self.json(file)), tokens = 0...Int(Int32.max)
        yes = Int32(try config.integer("true_token_id", in: tokens))
        no = try config.optionalInteger("false_token_id", in: tokens).map { Int32($0) }
    }

    private static func json(_ path: String) throws -> JSON {
        let bytes = try Folder.read(path)
        do throws(JSONError) { return try JSON(parsing: bytes) } catch {
            throw ModelError.notAModel(path: path, reason: error.description)
        }
    }
}
