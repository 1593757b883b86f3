import MartletFormats
import MartletTensor

/// A file of a corpus. Its name tells its format; .gz or .zst may follow.
public struct CorpusFile: Sendable, Hashable {
    public enum Format: String, Sendable, Hashable, CaseIterable {
        case text, jsonLines, json, csv, tsv, parquet, arrow

        static let endings: [(ending: String, format: Format)] = [
            (".txt", .text), (".text", .text), (".md", .text), (".jsonl", .jsonLines), (".ndjson", .jsonLines),
            (".json", .json), (".csv", .csv), (".tsv", .tsv), (".parquet", .parquet), (".arrow", .arrow),
        ]
    }

    public var path: String
    public var format: Format
    public var byteCount: Int

    /// Nil when the name has no known ending.
    public init?(path: String) {
        var name = path.lowercased()
        for packed in [".gz", ".zst"] where name.hasSuffix(packed) { name = String(name.dropLast(packed.count)) }
        guard let match = Format.endings.first(where: { name.hasSuffix($0.ending) }) else { return nil }
        self.path = path
        format = match.format
        byteCount = Folder.byteCount(path)
    }

    /// The known endings, for messages.
    public static let knownEndings =
        Format.endings.map(\.ending).joined(separator: ", ") + ", each also with .gz or .zst"
}

/// A file as a stream of bytes, decompressed if it begins like a gzip or Zstandard file.
final class CorpusStream: ByteSource {
    let path: String
    private let file: FileSource
    private let source: any ByteSource

    /// Bytes read from the file so far, before decompression.
    var position: Int { file.position }

    init(path: String) throws(DataError) {
        self.path = path
        do throws(DecompressionError) {
            let file = try FileSource(path: path)
            self.file = file
            // Pipes cannot be read twice, so the first bytes are kept and returned first.
            var start = [UInt8](repeating: 0, count: 4), count = 0
            while count < 4 {
                var step = 0
                var failure: DecompressionError?
                start.withUnsafeMutableBytes { buffer in
                    do throws(DecompressionError) {
                        step = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
                    } catch {
                        failure = error
                    }
                }
                if let failure { throw failure }
                if step == 0 { break }
                count += step
            }
            let whole = PrefixedSource(Array(start[..<count]), file)
            if start.starts(with: [0x1f, 0x8b]) {
                source = GzipSource(whole)
            } else if start == [0x28, 0xb5, 0x2f, 0xfd]
                || (start[0] & 0xf0 == 0x50 && start[1...] == [0x2a, 0x4d, 0x18])
            {
                source = ZstdSource(whole)
            } else if path.lowercased().hasSuffix(".gz") || path.lowercased().hasSuffix(".zst") {
                throw .malformed("the name says it is compressed, but its first bytes do not")
            } else {
                source = whole
            }
        } catch {
            throw DataError(error, path: path)
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(DecompressionError) -> Int {
        try source.read(into: buffer)
    }

    /// The whole content.
    func readAll(upTo limit: Int) throws(DataError) -> [UInt8] {
        do throws(DecompressionError) {
            return try readAll(limit: limit)
        } catch {
            throw DataError(error, path: path)
        }
    }
}

/// Some bytes, followed by those of another source.
private final class PrefixedSource: ByteSource {
    private var prefix: [UInt8]
    private let rest: any ByteSource

    init(_ prefix: [UInt8], _ rest: any ByteSource) {
        self.prefix = prefix
        self.rest = rest
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(DecompressionError) -> Int {
        guard !prefix.isEmpty else { return try rest.read(into: buffer) }
        let count = min(prefix.count, buffer.count)
        buffer.copyBytes(from: prefix[..<count])
        prefix.removeFirst(count)
        return count
    }
}

extension DataError {
    init(_ error: DecompressionError, path: String) {
        switch error {
        case .system(let error): self.init(error)
        case .unsupported: self.init(.unsupported, path: path, error.description)
        case .truncated, .malformed: self.init(.malformed, path: path, error.description)
        }
    }
}
