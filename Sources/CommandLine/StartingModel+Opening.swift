import Martlet
import MartletVerbs

extension StartingModel {
    /// Opens the model that a run starts from, with the adapter of its options, and prints how much of it is trained.
    static func opened(_ name: String, _ options: TrainingOptions, memory: Int?) throws -> StartingModel {
        let resolved = try ResolvedOptions(options, vocabularySize: 0)
        let files = try ModelFiles.opened(name: name)
        guard let adapter = files.adapters.first else {
            var start = try StartingModel(
                files, memory: memory, adapter: resolved.adapter, seed: UInt64(resolved.general.seed),
                base: baseName(name), locate: ModelLocator.locateAdapter)
            if let template = resolved.chat.template { try start.use(template: template) }
            if let adapter = start.adapter { Terminal.note("\(adapter.summary)") }
            return start
        }
        throw AdapterOnAdapter(run: name, base: files.path, adapter: adapter.path)
    }
}

/// What files of an adapter are to call its base. A name that is not a path is kept, so that other machines find the model by it.
func baseName(_ name: String) -> String { Folder.exists(name) ? Folder.real(name) ?? name : name }

/// The given run folder contains an adapter, which is ambiguous.
struct AdapterOnAdapter: Error, CustomStringConvertible {
    let run, base, adapter: String
    var description: String {
        "\(run) holds an adapter: to train it on, name its base and --adapter-from \(adapter) (its base is \(base)); to tune "
            + "what it makes of the base, martlet merge \(run) --out FOLDER and begin with that"
    }
}
