import MartletFormats
import MartletTensor

/// Writes token shards in llm.c's format: a header of 256 numbers, then 16-bit ids (GPT-2's magic) where the vocabulary
/// allows it, else 32-bit ids (Llama 3's).
///
/// A document begins with the separator there; here it ends with it.
public enum LLMCShardWriter {
    /// The shards in a folder that `martlet data pack` wrote, in the order of their names.
    /// - Throws: `DataError` where there are none.
    public static func shards(inFolder folder: String) throws(DataError) -> [String] {
        let found = Folder.files(folder).filter { $0.hasSuffix(".shard") }.sorted().map { "\(folder)/\($0)" }
        guard !found.isEmpty else { throw DataError(.missing, path: folder, "holds no token shards") }
        return found
    }

    /// - Parameter progress: documents that are done, and how many there are.
    /// - Returns: the tokens that were written.
    /// - Throws: `DataError` for a shard without a separator, with a loss mask, or with 2³¹ tokens and more.
    @discardableResult
    public static func write(
        _ shard: TokenShard, to path: String, progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws -> Int {
        guard !shard.hasMask else {
            throw DataError(
                .unsupported, path: shard.path,
                "has a loss mask, which llm.c's shards cannot hold: pack it again without one (martlet data pack --chats "
                    + "text)")
        }
        guard let separator = shard.separator else {
            throw DataError(
                .unsupported, path: shard.path,
                "has no token between documents, with which llm.c begins them: pack it again with one (martlet data pack "
                    + "--end-token)")
        }
        let width = shard.tokenWidth, file = try PendingFile(path)
        try file.writer.write(header: width == 2 ? [20_240_520, 1, 0] : [20_240_801, 7, 0])
        var count = 0
        for document in 0..<shard.documentCount {
            var tokens = try shard.tokens(ofDocument: document)
            if tokens.last == separator { tokens.removeLast() }
            if tokens.first != separator { tokens.insert(separator, at: 0) }
            count += tokens.count
            var bytes: [UInt8] = []
            bytes.reserveCapacity(tokens.count * width)
            for token in tokens {
                for shift in 0..<width { bytes.append(UInt8(truncatingIfNeeded: token >> (8 * Int32(shift)))) }
            }
            try file.writer.write(bytes)
            if document % 256 == 0 { try progress(document, shard.documentCount) }
        }
        guard let exact = Int32(exactly: count) else {
            throw DataError(.unsupported, path: shard.path, "\(count) tokens are more than a file of llm.c counts")
        }
        try file.writer.replace(at: 8, with: (0..<4).map { UInt8(truncatingIfNeeded: exact >> (8 * Int32($0))) })
        try file.commit()
        return count
    }
}
