import MartletCatalog

extension ModelFiles {
    /// Opens the files of a model for a command, and prints warnings about what is ignored in them and may matter.
    package static func opened(_ path: String) throws -> ModelFiles {
        let files = try ModelFiles(path: path)
        for warning in try files.checkpoint.warnings() { Terminal.note("warning: \(warning)") }
        return files
    }

    /// The same by name, with adapters: a folder that holds one is its base with it.
    package static func opened(_ name: String, _ adapters: AdapterFlags) throws -> ModelFiles {
        try opened(name: name, adapters: adapters.parsed())
    }

    /// - Parameter adapters: names and strengths.
    package static func opened(name: String, adapters: [(name: String, strength: Double)] = []) throws -> ModelFiles {
        let files = try ModelFiles.located(name, adapters: adapters) { Terminal.note($0) }
        for warning in try files.checkpoint.warnings() { Terminal.note("warning: \(warning)") }
        return files
    }
}
