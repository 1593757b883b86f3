import MartletFormats
import MartletJSON

/// The files of a folder that are read: those of one split, according to the layout of a hub repository, the layout of
/// a data set saved to disk, or the file names. Files that describe the data are not read.
struct FolderLayout {
    private(set) var files: [CorpusFile] = []
    private(set) var leftOut: [LeftOutFile] = []
    private let root: String
    private let options: CorpusOptions

    init(_ root: String, options: CorpusOptions) throws(DataError) {
        var root = root
        while root.count > 1, root.hasSuffix("/") { root.removeLast() }
        self.root = root
        self.options = options
        let walk = FolderWalk(root)
        leftOut = walk.leftOut
        var data: [(name: String, file: CorpusFile)] = []
        let saved = try savedDataSets(walk.files)
        for name in walk.files {
            let folder = AtomicFile.split(name).folder
            guard let file = CorpusFile(path: "\(root)/\(name)") else {
                leave(name, .unknownKind)
                continue
            }
            let isMetadata = Self.metadata.contains(AtomicFile.split(name).name)
            let isStrayTable = file.format == .arrow && saved[folder].map { !$0.contains(name) } ?? false
            if isMetadata || isStrayTable {
                leave(name, .description)
            } else {
                data.append((name, file))
            }
        }
        let holdsRecords = data.contains { $0.file.format != .text }
        for (name, _) in data where isDescription(name, holdsRecords) { leave(name, .description) }
        data.removeAll { isDescription($0.name, holdsRecords) }
        if let configs = try card() {
            try choose(data, by: configs)
        } else {
            try chooseByNames(data)
        }
    }

    private mutating func leave(_ name: String, _ reason: LeftOutFile.Reason) {
        leftOut.append(LeftOutFile(path: "\(root)/\(name)", reason: reason))
    }

    /// Files of data sets, models and shards that describe other files.
    private static let metadata: Set<String> = [
        "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "shards.json", "config.json",
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json",
    ]
    private static let pages: Set<String> = [
        "readme", "license", "licence", "changelog", "contributing", "code_of_conduct", "citation", "notice",
        "datacard",
        "dataset_card", "requirements", "authors", "security",
    ]

    private func isDescription(_ name: String, _ holdsRecords: Bool) -> Bool {
        let base = AtomicFile.split(name).name.lowercased()
        guard base.hasSuffix(".md") || base.hasSuffix(".txt") else { return false }
        if base == "readme.md", Folder.text("\(root)/\(name)")?.hasPrefix("---\n") == true { return true }
        // In a folder with records, pages of text describe the records.
        guard holdsRecords else { return false }
        return base.hasSuffix(".md") || Self.pages.contains(String(base.dropLast(4)))
    }

    /// For each folder of a data set saved to disk, the tables that it lists; caches may be stored beside them.
    private func savedDataSets(_ names: [String]) throws(DataError) -> [String: Set<String>] {
        var sets: [String: Set<String>] = [:]
        for name in names where AtomicFile.split(name).name == "state.json" {
            guard let text = Folder.text("\(root)/\(name)"), let state = try? JSON(parsing: text),
                let listed = state["_data_files"]?.array
            else { continue }
            let folder = AtomicFile.split(name).folder
            var own: Set<String> = []
            for entry in listed {
                guard let file = entry["filename"]?.string, Folder.isPlainName(file) else {
                    throw DataError(
                        .malformed, path: "\(root)/\(name)", field: "_data_files", "has an entry without a file name")
                }
                let path = folder == "." ? file : "\(folder)/\(file)"
                guard names.contains(path) else {
                    throw DataError(.missing, path: "\(root)/\(path)", "is not there, but state.json lists it")
                }
                own.insert(path)
            }
            sets[folder] = own
        }
        return sets
    }

    // MARK: by names

    private mutating func chooseByNames(_ data: [(name: String, file: CorpusFile)]) throws(DataError) {
        var data = data
        if let subset = options.subset, subset != "default" {
            // Without a card a subset is a folder of its own.
            let own = data.filter { $0.name.hasPrefix(subset + "/") }
            guard !own.isEmpty else {
                throw DataError(
                    .missing, path: root, field: "subset",
                    "has no subset \(FormatError.quote(subset)): README.md lists none, and there is no folder of that name"
                )
            }
            for entry in data where !entry.name.hasPrefix(subset + "/") { leave(entry.name, .subset("none")) }
            data = own
        }
        let splits = data.map { SplitName.of($0.name) ?? SplitName.train }
        try take(zip(data, splits).map { ($0.0.name, $0.0.file, $0.1) })
    }

    /// Selects the files of the wanted split.
    private mutating func take(_ data: [(name: String, file: CorpusFile, split: String)]) throws(DataError) {
        let wanted = options.split
        guard wanted != SplitName.everything, !data.isEmpty else {
            files += data.map(\.file)
            return
        }
        var names: [String] = []
        for entry in data where !names.contains(entry.split) { names.append(entry.split) }
        guard let split = SplitName.resolve(wanted, among: names) else {
            // "train_prefs" of a folder whose files or folders have that name, where none says what is a split.
            let named = data.map { SplitName.isNamed(wanted, $0.name) }
            if named.contains(true) {
                for (entry, isWanted) in zip(data, named) {
                    if isWanted { files.append(entry.file) } else { leave(entry.name, .split(entry.split)) }
                }
                return
            }
            let there = names.map { name in "\(name) (\(data.count { $0.split == name }))" }.joined(separator: ", ")
            throw DataError(
                .missing, path: root, field: "split",
                "holds no split \(FormatError.quote(wanted)); there are, with their files: \(there). --data-split names "
                    + "one, --data-split all takes every file")
        }
        for entry in data {
            if entry.split == split { files.append(entry.file) } else { leave(entry.name, .split(entry.split)) }
        }
    }

    // MARK: by the card

    /// The subsets that README.md lists; nil if it lists none.
    private func card() throws(DataError) -> [JSON]? {
        let path = "\(root)/README.md"
        guard Folder.isFile(path), let text = Folder.text(path) else { return nil }
        do throws(FrontMatter.Failure) {
            guard let configs = try FrontMatter(text).configs?.array, !configs.isEmpty else { return nil }
            // Cards may list subsets for description only.
            return configs.contains { $0["data_files"] != nil || $0["data_dir"] != nil } ? configs : nil
        } catch {
            throw DataError(.malformed, path: path, place: "line \(error.line)", field: "configs", error.reason)
        }
    }

    private mutating func choose(
        _ data: [(name: String, file: CorpusFile)], by configs: [JSON]
    ) throws(DataError) {
        func name(_ config: JSON) -> String { config["config_name"]?.string ?? "default" }
        let chosen: JSON?
        if let subset = options.subset {
            chosen = configs.first { name($0) == subset }
        } else if configs.count == 1 {
            chosen = configs[0]
        } else {
            chosen = configs.first { $0["default"]?.bool == true } ?? configs.first { name($0) == "default" }
        }
        guard let chosen else {
            throw DataError(
                .missing, path: "\(root)/README.md", field: "configs",
                (options.subset.map { "lists no subset \(FormatError.quote($0))" } ?? "lists several subsets")
                    + "; there are \(configs.map(name).joined(separator: ", ")). --subset names one")
        }
        let own = try patterns(chosen)
        var taken: [(name: String, file: CorpusFile, split: String)] = []
        for (file, corpusFile) in data {
            if let match = own.first(where: { $0.pattern.matches(file) }) {
                taken.append((file, corpusFile, match.split ?? SplitName.of(file) ?? SplitName.train))
                continue
            }
            var other: String?
            for config in configs where name(config) != name(chosen) && other == nil {
                if try patterns(config).contains(where: { $0.pattern.matches(file) }) { other = name(config) }
            }
            leave(file, .subset(other ?? "none"))
        }
        guard !taken.isEmpty else {
            throw DataError(
                .missing, path: "\(root)/README.md", field: "data_files", "matches no file of the folder")
        }
        try take(taken)
    }

    /// The patterns of the files of a subset, each with its split; nil if the split follows from the file names.
    private func patterns(_ config: JSON) throws(DataError) -> [(pattern: GlobPattern, split: String?)] {
        func fail(_ reason: String) -> DataError {
            DataError(.malformed, path: "\(root)/README.md", field: "data_files", reason)
        }
        let folder = (config["data_dir"]?.string).map { $0.hasSuffix("/") ? $0 : $0 + "/" } ?? ""
        func patterns(_ json: JSON?, _ split: String?) throws(DataError) -> [(GlobPattern, String?)] {
            switch json {
            case .string(let text)?:
                guard !text.contains("://") else { throw fail("names \(FormatError.quote(text)), which is remote") }
                return [(GlobPattern(folder + text), split)]
            case .array(let entries)?:
                var all: [(GlobPattern, String?)] = []
                for entry in entries {
                    if entry.object != nil {
                        guard let name = entry["split"]?.string, let path = entry["path"] else {
                            throw fail("has an entry without a split or a path")
                        }
                        all += try patterns(path, name)
                    } else {
                        all += try patterns(entry, split)
                    }
                }
                return all
            case .object(let members)?:
                var all: [(GlobPattern, String?)] = []
                for (name, path) in members { all += try patterns(path, name) }
                return all
            default: throw fail("is \(json?.kind ?? "missing"), expected paths")
            }
        }
        guard let files = config["data_files"] else { return [(GlobPattern(folder + "**"), nil)] }
        return try patterns(files, nil).map { (pattern: $0.0, split: $0.1 ?? SplitName.train) }
    }
}
