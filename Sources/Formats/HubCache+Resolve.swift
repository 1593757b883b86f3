/// A reference to a model of the hub, as users write it: `org/name[@revision][:file or quantisation]`.
public struct HubReference: Sendable, Equatable, CustomStringConvertible {
    public var name: String
    public var revision: String
    /// A file of the repository, or a quantisation ("Q4_K_M") in the name of one of its GGUF files.
    public var selection: String?

    public init(name: String, revision: String = "main", selection: String? = nil) {
        self.name = name
        self.revision = revision
        self.selection = selection
    }

    /// Nil if the text is not such a reference. The address of one of the hub's pages is one, too, as it is copied from a
    /// browser.
    public init?(_ text: String) {
        var rest = Substring(Self.reference(ofPage: text) ?? text)
        var selection: String?, revision = "main"
        if let colon = rest.firstIndex(of: ":") {
            selection = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        }
        if let at = rest.firstIndex(of: "@") {
            revision = String(rest[rest.index(after: at)...])
            rest = rest[..<at]
        }
        guard HubCache.isName(String(rest)), Folder.isPlainRelativePath(revision) else { return nil }
        if let selection, !Folder.isPlainRelativePath(selection) { return nil }
        self.init(name: String(rest), revision: revision, selection: selection)
    }

    /// "org/name@revision:file" for `https://huggingface.co/org/name/blob/revision/file` and the like; nil for other text.
    private static func reference(ofPage text: String) -> String? {
        var rest = Substring(text)
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
        guard let host = ["huggingface.co/", "hf.co/"].first(where: rest.hasPrefix) else { return nil }
        let parts = rest.dropFirst(host.count).prefix { $0 != "?" && $0 != "#" }.split(separator: "/")
        // Pages of other things than models.
        guard parts.count >= 2, !["datasets", "spaces", "collections", "papers"].contains(parts[0]) else { return nil }
        var reference = "\(parts[0])/\(parts[1])"
        guard parts.count > 3, ["tree", "blob", "resolve"].contains(parts[2]) else { return reference }
        if parts[3] != "main" { reference += "@" + parts[3] }
        if parts.count > 4, parts[2] != "tree" { reference += ":" + parts[4...].joined(separator: "/") }
        return reference
    }

    public var description: String {
        name + (revision == "main" ? "" : "@\(revision)") + (selection.map { ":\($0)" } ?? "")
    }
}

extension HubCache {
    /// A model found in the cache: the folder of a snapshot, or a GGUF file in it.
    public enum Location: Sendable, Equatable {
        case folder(String)
        case file(String)

        public var path: String {
            switch self {
            case .folder(let path), .file(let path): path
            }
        }
    }

    /// The files of a snapshot and its folder, with checked links.
    public struct Snapshot: Sendable, Equatable {
        public var path: String
        public var commit: String
        /// Paths relative to `path`, sorted.
        public var files: [String]
    }

    /// The snapshot of a revision: a ref ("main", "refs/pr/1") or a full commit hash.
    public func snapshot(_ name: String, revision: String = "main") throws(FormatError) -> Snapshot {
        guard Self.isName(name), Folder.isPlainRelativePath(revision) else {
            throw FormatError(
                .malformed, path: root, field: "model \(FormatError.quote(name))",
                "is not an \"org/name\", or \(FormatError.quote(revision)) is not a revision")
        }
        guard let repository = repository(name) else {
            throw FormatError(.missing, path: root, field: "model \(FormatError.quote(name))", "is not in the cache")
        }
        let commit = repository.revisions[revision] ?? revision
        guard repository.commits.contains(commit) else {
            throw FormatError(
                .missing, path: repository.path, field: "revision \(FormatError.quote(revision))",
                "has no snapshot in the cache")
        }
        let path = "\(repository.path)/snapshots/\(commit)"
        let files = Folder.relativeFiles(path)
        guard let home = Folder.real(repository.path) else {
            throw FormatError(.missing, path: repository.path, "cannot be resolved")
        }
        for file in files {
            guard let target = Folder.real("\(path)/\(file)") else { continue }
            guard target.hasPrefix(home + "/") else {
                throw FormatError(
                    .malformed, path: "\(path)/\(file)", "is a link that leaves the repository's folder")
            }
        }
        return Snapshot(path: path, commit: commit, files: files.filter { Folder.isFile("\(path)/\($0)") })
    }

    /// The location of a reference's model. Without a selection it is the folder if the repository has a `config.json`
    /// and safetensors, or, with GGUF files, the only one, or the first of several quantisations that memory has room for.
    /// - Parameters:
    ///   - memory: bytes that a model may take; nil if unknown.
    ///   - onChoice: called with a sentence for the user where one of several was chosen.
    public func resolve(
        _ reference: HubReference, memory: Int? = nil, onChoice: (String) -> Void = { _ in }
    ) throws(FormatError) -> Location {
        let snapshot = try snapshot(reference.name, revision: reference.revision)
        let models = QuantizationCandidate.models(among: snapshot.files)
        guard let selection = reference.selection else {
            let isFolder =
                snapshot.files.contains("config.json")
                && (models.isEmpty || snapshot.files.contains { $0.hasSuffix(".safetensors") })
            if models.isEmpty || isFolder { return .folder(snapshot.path) }
            if let only = Self.whole(models) { return .file("\(snapshot.path)/\(only)") }
            guard let file = quantization(of: models, in: snapshot.path, reference, memory, onChoice) else {
                throw FormatError(
                    .missing, path: snapshot.path, "holds several GGUF files; name one: \(list(models))")
            }
            return .file("\(snapshot.path)/\(file)")
        }
        if snapshot.files.contains(selection) { return .file("\(snapshot.path)/\(selection)") }
        let matches = Self.named(selection, models)
        guard let match = Self.whole(matches) else {
            throw FormatError(
                .missing, path: snapshot.path, field: FormatError.quote(selection),
                matches.isEmpty
                    ? "is neither a file in the cache nor a quantisation of one; the files are \(list(snapshot.files))"
                    : "fits several files: \(list(matches))")
        }
        return .file("\(snapshot.path)/\(match)")
    }

    /// The files of a located model: with the first of numbered parts, the parts beside it.
    package static func parts(of path: String) -> [String] {
        let (folder, name) = AtomicFile.split(path)
        return [path]
            + Folder.files(folder).filter { !GGUFSplit.isFirstOrWhole($0, of: [name]) }.map { "\(folder)/\($0)" }
    }

    /// The one file, or the first of the numbered parts of one model; nil for several models, and for none.
    private static func whole(_ files: [String]) -> String? {
        let firsts = files.filter { GGUFSplit.isFirstOrWhole($0, of: files) }
        return firsts.count == 1 ? firsts[0] : nil
    }

    private func quantization(
        of models: [String], in folder: String, _ reference: HubReference, _ memory: Int?, _ onChoice: (String) -> Void
    ) -> String? {
        var sizes: [(name: String, file: String, bytes: Int)] = []
        for name in QuantizationCandidate.order {
            let files = Self.named(name, models)
            guard let file = Self.whole(files) else { continue }
            sizes.append((name, file, files.reduce(0) { $0 + Folder.byteCount("\(folder)/\($1)") }))
        }
        let fitting = sizes.first { QuantizationCandidate.fits($0.bytes, memory: memory) }
        guard let chosen = fitting ?? sizes.min(by: { $0.bytes < $1.bytes }) else { return nil }
        onChoice(
            QuantizationCandidate.sentence(
                chosen.name, bytes: chosen.bytes,
                of: models.count { GGUFSplit.isFirstOrWhole($0, of: models) }, memory: memory,
                repository: reference.name))
        return chosen.file
    }

    /// The files whose name contains the quantisation as a separate word: "Q4_K" does not match "m-Q4_K_M.gguf".
    static func named(_ quantization: String, _ files: [String]) -> [String] {
        let wanted = Array(quantization.lowercased().utf8)
        guard !wanted.isEmpty else { return [] }
        func isWordByte(_ byte: UInt8) -> Bool {
            switch byte {
            case 0x30...0x39, 0x61...0x7A, UInt8(ascii: "_"): true
            default: false
            }
        }
        return files.filter { file in
            let name = Array(AtomicFile.split(file).name.lowercased().utf8)
            guard name.count >= wanted.count else { return false }
            return (0...name.count - wanted.count).contains { start in
                let end = start + wanted.count
                return name[start..<end].elementsEqual(wanted) && (start == 0 || !isWordByte(name[start - 1]))
                    && (end == name.count || !isWordByte(name[end]))
            }
        }
    }
}
