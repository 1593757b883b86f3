import MartletFormats
import MartletJSON
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A folder of shards that is written atomically: under a temporary name beside its target, renamed at the end.
final class ShardFolder {
    /// The manifest; a folder without it is not treated as a shard folder.
    static let manifestName = "shards.json"

    private let target: String
    private let temporary: String
    private let replaces: Bool
    /// Parent folders that were created for it, outermost first.
    private let madeParents: [String]
    private var isOpen = true
    private(set) var train, validation: Side

    /// One side of the split: its writer, and its finished shards.
    struct Side {
        let prefix: String
        var writer: TokenShardWriter?
        var bytes = 0
        var shards: [JSON] = []
    }

    private let vocabulary: VocabularyIdentity
    private let separator: Int32?
    private let hasMask: Bool
    private let shardTokens: Int

    init(
        _ target: String, vocabulary: VocabularyIdentity, separator: Int32?, hasMask: Bool, shardTokens: Int,
        replaces: Bool
    ) throws(DataError) {
        var target = target
        while target.count > 1, target.hasSuffix("/") { target.removeLast() }
        self.target = target
        self.replaces = replaces
        self.vocabulary = vocabulary
        self.separator = separator
        self.hasMask = hasMask
        self.shardTokens = shardTokens
        (train, validation) = (Side(prefix: "train"), Side(prefix: "validation"))
        try Self.checkFree(target, replaces)
        let (parent, name) = AtomicFile.split(target)
        temporary = "\(parent)/.\(name)-\(String(UInt64.random(in: 0...UInt64.max), radix: 36)).partial"
        madeParents = try Self.makeFolders(parent)
        guard mkdir(temporary, 0o777) == 0 else {
            let error = DataError(FileError(path: target, writingIn: parent))
            discard()
            throw error
        }
    }

    deinit { discard() }

    /// Refuses a folder that contains anything except shards that may be replaced.
    private static func checkFree(_ path: String, _ replaces: Bool) throws(DataError) {
        guard Folder.exists(path) else { return }
        guard Folder.isFolder(path) else {
            throw DataError(.invalid, path: path, "is a file; expected a folder's name")
        }
        let names = Folder.contents(path)
        guard !names.isEmpty else { return }
        guard names.contains(manifestName) else {
            throw DataError(.invalid, path: path, "holds other files; choose a folder of its own for the shards")
        }
        guard replaces else {
            throw DataError(
                .invalid, path: path, "holds shards already; choose another folder, or replace them (--overwrite)")
        }
        let known = Set(tokenizerFiles + [manifestName])
        if let other = names.first(where: { !known.contains($0) && !$0.hasSuffix(".shard") }) {
            throw DataError(.invalid, path: "\(path)/\(other)", "is not a shard, so the folder is not replaced")
        }
    }

    /// - Returns: the folders that were created, outermost first.
    @discardableResult
    static func makeFolders(_ path: String) throws(DataError) -> [String] {
        guard !Folder.isFolder(path) else { return [] }
        let parent = AtomicFile.split(path).folder
        let made = parent == path ? [] : try makeFolders(parent)
        guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
            throw DataError(FileError(path: path, doing: "create the folder"))
        }
        return made + [path]
    }

    func append(_ document: EncodedDocument, toValidation: Bool) throws(DataError) {
        if toValidation { try append(document, &validation) } else { try append(document, &train) }
    }

    private func append(_ document: EncodedDocument, _ side: inout Side) throws(DataError) {
        let writer: TokenShardWriter
        if let open = side.writer {
            writer = open
        } else {
            writer = try TokenShardWriter(
                path: "\(temporary)/\(shardName(side))", vocabulary: vocabulary, separator: separator, hasMask: hasMask)
            side.writer = writer
        }
        try writer.append(
            document.tokens, isTrained: document.isTrained, weights: document.weights,
            sourceByteCount: document.sourceByteCount)
        side.bytes += document.sourceByteCount
        if writer.tokenCount >= shardTokens { try close(&side) }
    }

    private func shardName(_ side: Side) -> String {
        let number = "\(side.shards.count)"
        return "\(side.prefix)-\(String(repeating: "0", count: max(5 - number.count, 0)))\(number).shard"
    }

    private func close(_ side: inout Side) throws(DataError) {
        guard let writer = side.writer else { return }
        try writer.finish()
        side.shards.append(
            [
                "file": .string(shardName(side)), "tokens": .integer(Int64(writer.tokenCount)),
                "documents": .integer(Int64(writer.documentCount)), "text_bytes": .integer(Int64(side.bytes)),
            ])
        side.writer = nil
        side.bytes = 0
    }

    static let tokenizerFiles = [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "generation_config.json", "chat_template.jinja", "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model",
        "spiece.model", "sentencepiece.bpe.model", "spm.model",
    ]

    /// Copies the tokenizer that made the shards, closes them and renames the folder to its target.
    func finish(
        tokenizerFolder: String?, _ tokenizerFiles: [(name: String, bytes: [UInt8])], _ facts: [(String, JSON)]
    ) throws(DataError) {
        try close(&train)
        try close(&validation)
        if let tokenizerFolder {
            for name in Self.tokenizerFiles where Folder.isFile("\(tokenizerFolder)/\(name)") {
                do {
                    try AtomicFile.write("\(temporary)/\(name)", bytes: Folder.read("\(tokenizerFolder)/\(name)"))
                } catch let error as FileError {
                    throw DataError(error)
                } catch {
                    throw DataError(.system, path: "\(tokenizerFolder)/\(name)", "\(error)")
                }
            }
        }
        let hash = String(vocabulary.hash, radix: 16)
        let manifest = JSON.object(
            JSONObject(
                [
                    ("version", 1),
                    ("vocabulary", ["size": .integer(Int64(vocabulary.size)), "hash": .string(hash)]),
                    ("separator", separator.map { .integer(Int64($0)) } ?? .null),
                    ("has_mask", .bool(hasMask)),
                    ("train", .array(train.shards)), ("validation", .array(validation.shards)),
                ] + facts))
        do throws(FileError) {
            for file in tokenizerFiles { try AtomicFile.write("\(temporary)/\(file.name)", bytes: file.bytes) }
            try AtomicFile.write("\(temporary)/\(Self.manifestName)", bytes: manifest.text().utf8)
            try Self.checkPlace(target)
            try putInPlace()
        } catch {
            throw DataError(error)
        }
    }

    private static func checkPlace(_ path: String) throws(FileError) {
        if Folder.exists(path), !Folder.isFolder(path) { throw FileError(path: path, reason: "is now a file") }
    }

    private func putInPlace() throws(FileError) {
        var old: String?
        if Folder.exists(target) {
            // An empty folder is removed; one with shards is renamed until the new one is in place.
            if rmdir(target) != 0 {
                let aside = temporary + "-old"
                guard replaces, rename(target, aside) == 0 else {
                    throw FileError(path: target, reason: "was filled by another program meanwhile")
                }
                old = aside
            }
        }
        guard rename(temporary, target) == 0 else {
            let error = FileError(path: target, doing: "put the new folder in place")
            if let old { rename(old, target) }
            throw error
        }
        isOpen = false
        if let old { Self.remove(old) }
        try AtomicFile.syncFolder(AtomicFile.split(target).folder)
    }

    /// Removes what was written, and the folders created for it; has no effect after `finish`.
    func discard() {
        guard isOpen else { return }
        isOpen = false
        train.writer = nil
        validation.writer = nil
        Self.remove(temporary)
        // A folder that is not empty by now remains.
        for parent in madeParents.reversed() { rmdir(parent) }
    }

    /// Removes a folder of files written here.
    static func remove(_ folder: String) {
        for name in Folder.contents(folder) { Folder.remove("\(folder)/\(name)") }
        rmdir(folder)
    }
}
