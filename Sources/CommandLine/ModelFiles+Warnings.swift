import Martlet

extension ModelFiles {
    /// The files of a model, for whatever a command does with them: what of them is passed over and may matter is told.
    static func opened(_ path: String) throws -> ModelFiles {
        let files = try ModelFiles(path: path)
        for warning in try files.checkpoint.warnings() { Terminal.note("warning: \(warning)") }
        return files
    }
}
