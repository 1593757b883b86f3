import ArgumentParser
import Martlet
import MartletVerbs

struct MergeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Put adapters into a model's weights.",
        discussion: """
            --out is a folder as published on a hub, in float32 or --to float16 or bfloat16, that transformers loads; or, where \
            it ends in .gguf, a GGUF file with the base's metadata: changed matrices are quantised as they were before, or \
            --to another type, and the error that adds is told. Everything else is copied as it is stored.

            Several adapters are added with their weights. linear and cat are the exact sum of what they add; ties keeps \
            each one's largest numbers and elects signs; dare drops numbers at random and scales up the rest.

            Examples:
              martlet merge smollm2 --adapter runs/id --out tuned/
              martlet merge smollm2 --adapter runs/id --out tuned.gguf
              martlet merge smollm2 --adapter runs/a --adapter runs/b=0.3 --method ties --density 0.3 --out both/
            """)
    @Argument(
        help: "The base: folder, GGUF file, org/name or short name; or a run's folder that holds an adapter.",
        completion: .models)
    var model: String
    @OptionGroup var flags: AdapterFlags
    @Option(name: .shortAndLong, help: "The folder, or .gguf file, to write.") var out: String
    @Option(help: "linear, cat, ties or dare.") var method = "linear"
    @Option(help: "Of ties and dare: the share of each adapter's numbers that is kept; 0.5 when left out.")
    var density: Double?
    @Option(help: "Of dare: what is dropped; 0 when left out.") var seed: UInt64?
    @Option(help: "The type of the matrices: float32, float16 or bfloat16; for a .gguf also q8_0, q4_K, ….")
    var to: String?

    func validate() throws { try demand("--density", density, above: 0, to: 1) }

    func run() throws {
        guard let way = AdapterMerge.Method(rawValue: method) else {
            throw ValidationError("--method is \(method); expected linear, cat, ties or dare")
        }
        guard density == nil || way == .ties || way == .dare else {
            throw ValidationError("--density belongs to --method ties and dare, and \(method) keeps every number")
        }
        guard seed == nil || way == .dare else {
            throw ValidationError("--seed belongs to --method dare, and \(method) draws nothing")
        }
        var merge = AdapterMerge()
        merge.method = way
        merge.density = density ?? merge.density
        merge.seed = seed ?? merge.seed
        try Self.demandFree(out)
        let files = try ModelFiles.located(model, adapters: flags.parsed()) { Terminal.note($0) }
        guard !files.adapters.isEmpty else { throw ValidationError("--adapter names nothing to merge") }
        let isFile = out.hasSuffix(".gguf")
        if !isFile { _ = try MergedFolder.type(to) }
        guard !isFile || files.checkpoint.gguf != nil else {
            throw ValidationError("\(out) is a GGUF file, and the base \(files.path) is none: give a folder as --out")
        }
        guard !files.checkpoint.hasEncoder || (!isFile && files.checkpoint.gguf == nil) else {
            throw ValidationError("an encoder is merged from the folder it was published as, into a folder")
        }
        if files.checkpoint.hasEncoder { return try mergeEncoder(files, merge) }
        let decoder = try isFile ? files.checkpoint.decoder() : files.checkpoint.publishedDecoder()
        let adapters = try files.adapters.map {
            (stored: try StoredAdapter.read($0.path, of: decoder), weight: $0.strength)
        }
        for note in adapters.flatMap(\.stored.notes) { Terminal.note("warning: \(note)") }
        var line = StatusLine()
        let changed = try merge.merge(adapters, into: decoder) { done, total in
            line.show("merging \(done) of \(total)", isDue: done == total)
        }
        line.end()
        Terminal.note(
            "\(changed.count) modules are changed by \(adapters.count) adapter\(adapters.count == 1 ? "" : "s")")
        if isFile {
            let written = try MergedFile(files, decoder, changed: changed, type: to).write(to: out)
            tell(written)
        } else {
            try MergedFolder(files, decoder, type: to).write(to: out)
        }
        Terminal.note("wrote \(out)")
    }

    /// What is left of an attempt that failed is no model, adapter or run yet, and may be written over.
    static func demandFree(_ out: String) throws {
        let owned = ["config.json", "adapter_config.json", "log.jsonl"]
        guard Folder.isFolder(out) ? owned.contains { Folder.exists(out + "/" + $0) } : Folder.exists(out) else {
            return
        }
        throw ValidationError("\(out) is there already; give another --out")
    }

    private func mergeEncoder(_ files: ModelFiles, _ merge: AdapterMerge) throws {
        let type = try MergedFolder.type(to)
        var line = StatusLine()
        let merged = try MergedEncoder(files, merge) { done, total in
            line.show("merging \(done) of \(total)", isDue: done == total)
        }
        line.end()
        for note in merged.notes { Terminal.note("warning: \(note)") }
        Terminal.note("\(merged.changedCount) modules are changed, the head with them where the adapter holds one")
        try merged.write(to: out, as: type)
        Terminal.note("wrote \(out)")
    }

    private func tell(_ written: MergedFile.Outcome) {
        guard written.quantised > 0 else { return }
        func percent(_ share: Double, _ digits: Int) -> String { Terminal.fixed(100 * share, digits) + " %" }
        Terminal.note(
            "\(written.quantised) matrices are quantised again (\(written.types)), which moves their numbers by "
                + "\(percent(written.error, 2)) of the root mean square; the adapters move them by "
                + "\(percent(written.change, 2)), and \(percent(max(0, written.kept), 0)) of that is left in the file")
        if written.kept < 0.8 {
            Terminal.note(
                "warning: what the adapters change is lost in codes so coarse: merge --to q8_0 or float16, or into a folder, "
                    + "or run the base with --adapter")
        } else if written.error > written.change {
            Terminal.note(
                "warning: the codes add a larger error than the adapters change: merge --to float16 or into a folder to be "
                    + "free of it")
        }
    }
}
