import Foundation
import MartletFormats

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How far a download is.
public struct HubProgress: Sendable {
    public var file: String
    public var received: Int
    public var total: Int
    public var filesDone: Int
    public var filesTotal: Int
}

/// Fetches models into the cache that Hugging Face's tools share.
///
/// ```swift
/// let path = try await Hub().download("HuggingFaceTB/SmolLM2-135M-Instruct") { print($0.file, $0.received, $0.total) }
/// let model = try LanguageModel(path: path)
/// ```
public struct Hub: Sendable {
    public let settings: HubSettings

    public init(_ settings: HubSettings = HubSettings()) { self.settings = settings }

    /// Fetches what `org/name[@revision][:file or quantisation]` means, all of it or nothing.
    /// - Returns: the folder of the snapshot, or the GGUF file asked for.
    @discardableResult
    public func download(_ reference: String, progress: @Sendable (HubProgress) -> Void = { _ in }) async throws
        -> String
    {
        guard let parsed = HubReference(reference) else { throw HubError.badReference(reference) }
        if settings.isOffline {
            do {
                return try settings.cache.resolve(
                    parsed, memory: settings.memory, onChoice: { settings.onChoice?($0) }
                ).path
            } catch { throw HubError.offline(reference) }
        }
        return try await HubClient.with(settings) { client in
            let (commit, files) = try await client.listing(parsed.name, revision: parsed.revision)
            let selection = FileSelection(repository: parsed.name, files: files)
            let wanted: [String]
            if parsed.selection == nil, let candidates = selection.candidates {
                wanted = try await choose(candidates, of: parsed.name, client, revision: commit)
            } else {
                wanted = try selection.choose(parsed.selection)
            }
            let folder = settings.cache.folder(parsed.name)
            let snapshot = "\(folder)/snapshots/\(commit)"
            for (index, file) in wanted.enumerated() {
                let remote = try await client.describe(parsed.name, file, revision: commit)
                guard remote.commit == commit else {
                    throw HubError.badAnswer(
                        url: file, reason: "the commit is \(remote.commit), the listing's \(commit)")
                }
                let blob = BlobDownload(
                    client: client, repository: parsed.name, file: file, remote: remote, folder: folder)
                try await blob.run { received in
                    progress(
                        HubProgress(
                            file: file, received: received, total: remote.size, filesDone: index,
                            filesTotal: wanted.count))
                }
                try link(file, snapshot: snapshot, to: remote.etag)
            }
            // The ref is written last: a name that resolves has all its files. One with slashes lies in folders of its own
            // (refs/refs/pr/1), as Hugging Face's tools write it.
            let ref = "\(folder)/refs/\(parsed.revision)"
            try BlobDownload.makeFolder(String(ref[..<(ref.lastIndex(of: "/") ?? ref.endIndex)]))
            try AtomicFile.write(ref, bytes: commit.utf8)
            let models = wanted.filter { $0.hasSuffix(".gguf") }
            if let model = models.first, wanted.count == models.count { return "\(snapshot)/\(model)" }
            return snapshot
        }
    }

    /// The first of several quantisations that memory has room for, or the smallest.
    private func choose(
        _ candidates: [QuantizationCandidate], of repository: String, _ client: HubClient, revision: String
    ) async throws -> [String] {
        var sizes: [(candidate: QuantizationCandidate, bytes: Int)] = []
        for candidate in candidates {
            var bytes = 0
            for file in candidate.files {
                bytes += try await client.describe(repository, file, revision: revision).size
            }
            sizes.append((candidate, bytes))
            if QuantizationCandidate.fits(bytes, memory: settings.memory) { break }
        }
        guard let last = sizes.last, let smallest = sizes.min(by: { $0.bytes < $1.bytes }) else { return [] }
        let chosen = QuantizationCandidate.fits(last.bytes, memory: settings.memory) ? last : smallest
        settings.onChoice?(
            QuantizationCandidate.sentence(
                chosen.candidate.name, bytes: chosen.bytes, of: candidates.count, memory: settings.memory,
                repository: repository))
        return chosen.candidate.files
    }

    /// `snapshots/<commit>/<file>` as a relative link to `blobs/<etag>`, replacing what stood there.
    private func link(_ file: String, snapshot: String, to etag: String) throws {
        let path = "\(snapshot)/\(file)"
        try BlobDownload.makeFolder(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
        let up = String(repeating: "../", count: file.split(separator: "/").count + 1)
        let temporary = "\(path).\(getpid()).link"
        Folder.remove(temporary)
        guard symlink("\(up)blobs/\(etag)", temporary) == 0, rename(temporary, path) == 0 else {
            throw BlobDownload.diskError(path)
        }
    }
}

/// Which files of a repository make up a model.
struct FileSelection {
    let repository: String
    let files: [String]

    func choose(_ selection: String?) throws(HubError) -> [String] {
        if let selection { return try named(selection) }
        let safetensors = files.filter { $0.hasSuffix(".safetensors") && !$0.contains("/") && !$0.hasPrefix("adapter") }
        if files.contains("config.json"), !safetensors.isEmpty {
            return files.filter(isPartOfFolder).sorted()
        }
        let models = QuantizationCandidate.models(among: files)
        if models.count == 1 { return models }
        if !models.isEmpty { return try named("Q4_K_M") }
        throw .nothingToFetch(repository: repository, files: files)
    }

    /// Weights as safetensors, and the small files beside them. Pickles (.bin, .pt) are never fetched.
    private func isPartOfFolder(_ file: String) -> Bool {
        let parts = file.split(separator: "/")
        // The modules of an embedding model: "1_Pooling/config.json", "2_Dense/model.safetensors".
        if parts.count == 2, Self.isModule(parts[0]) {
            return parts[1] == "config.json" || (parts[1].hasPrefix("model") && parts[1].hasSuffix(".safetensors"))
        }
        guard parts.count == 1 else { return false }
        if file.hasSuffix(".safetensors") { return file.hasPrefix("model") }
        let names = [
            "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "chat_template.jinja",
            "spiece.model", "sentencepiece.bpe.model", "spm.model", "source.spm", "target.spm",
            "model.safetensors.index.json", "sentence_bert_config.json",
            "modules.json", "config_sentence_transformers.json",
        ]
        return names.contains(file) || file.hasSuffix(".tiktoken")
    }

    /// A digit, a line below, the name of a module.
    private static func isModule(_ folder: Substring) -> Bool {
        let number = folder.prefix { $0.isASCII && $0.isNumber }
        return !number.isEmpty && number.count <= 2 && folder.dropFirst(number.count).hasPrefix("_")
    }

    func named(_ selection: String) throws(HubError) -> [String] {
        if files.contains(selection) { return [selection] }
        let models = QuantizationCandidate.models(among: files)
        let matches = models.filter { Self.hasWord(selection, $0) }.sorted()
        guard let first = matches.first else {
            throw .noSuchChoice(repository: repository, choice: selection, available: models.isEmpty ? files : models)
        }
        if matches.count == 1 { return matches }
        // One model in several numbered parts is one choice.
        let stem = first.split(separator: "-of-").first.map { $0.dropLast(5) } ?? ""
        if !stem.isEmpty, first.contains("-of-"), matches.allSatisfy({ $0.hasPrefix(stem) && $0.contains("-of-") }) {
            return matches
        }
        throw .ambiguous(repository: repository, choice: selection, available: matches)
    }

    /// Whether a file is named for a quantisation: "Q4_K" is not in "m-Q4_K_M.gguf".
    private static func hasWord(_ word: String, _ file: String) -> Bool {
        let name = (file.split(separator: "/").last ?? "").lowercased(), word = word.lowercased()
        var rest = name[...]
        while let range = rest.range(of: word) {
            let before = range.lowerBound == name.startIndex ? nil : name[name.index(before: range.lowerBound)]
            let after = range.upperBound == name.endIndex ? nil : name[range.upperBound]
            let ends = { (character: Character?) in character.map { !$0.isLetter && !$0.isNumber && $0 != "_" } ?? true
            }
            if ends(before), ends(after) { return true }
            rest = name[range.upperBound...]
        }
        return false
    }
}
