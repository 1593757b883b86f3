import Martlet

extension StartingModel {
    /// The model that a run goes on from, with the adapter that its options ask for; how much of it is trained is told.
    static func opened(_ name: String, _ options: TrainingOptions, memory: Int?) throws -> StartingModel {
        let resolved = try ResolvedOptions(options, vocabularySize: 0)
        let files = try ModelFiles.opened(name: name)
        guard let adapter = files.adapters.first else {
            // What is no path keeps its name, by which other machines find it.
            let base = Folder.exists(name) ? Folder.real(name) ?? name : name
            let start = try StartingModel(
                files, memory: memory, adapter: resolved.adapter, seed: UInt64(resolved.general.seed), base: base,
                locate: { Folder.exists($0) ? $0 : try ModelLocator.locateAdapter($0) })
            if let adapter = start.adapter { Terminal.note("\(adapter.summary)") }
            return start
        }
        throw AdapterOnAdapter(run: name, base: files.path, adapter: adapter.path)
    }
}

/// A run's folder was named that holds an adapter: two things could be meant.
struct AdapterOnAdapter: Error, CustomStringConvertible {
    let run, base, adapter: String
    var description: String {
        "\(run) holds an adapter: to train it on, name its base and --adapter-from \(adapter) (its base is \(base)); to tune "
            + "what it makes of the base, martlet merge \(run) --out FOLDER and begin with that"
    }
}
