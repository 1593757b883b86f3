import MartletFormats

/// How the files of a corpus are read.
public struct CorpusOptions: Sendable {
    /// The field or column that holds the text or the messages; found out by its name otherwise.
    public var field: String?
    /// What stands between the documents of a text file; nil makes every text file one document.
    public var separator: String? = "<|endoftext|>"
    /// A text file without separators is cut into documents of at most this many bytes, at a line's end.
    public var largestTextDocument = 64 << 20

    /// No line of JSON and no row is longer.
    static let largestRecord = 1 << 28

    public init() {}
}

/// The documents of files and folders, one after another in the order of their names, read once from front to back.
public final class Corpus {
    public let files: [CorpusFile]
    /// Files in the folders whose names end in nothing known; they are not read.
    public let skipped: [String]
    public let byteCount: Int
    public private(set) var documentCount = 0
    /// How many times a text was cut because it is too long for one document.
    public private(set) var cutCount = 0

    private let options: CorpusOptions
    private var next = 0
    private var reader: (any DocumentReader)?
    private var stream: CorpusStream?
    private var finishedBytes = 0

    /// - Parameter paths: files, and folders to look through.
    public init(_ paths: [String], options: CorpusOptions = CorpusOptions()) throws(DataError) {
        var files: [CorpusFile] = [], skipped: [String] = []
        for path in paths {
            guard Folder.exists(path) else { throw DataError(.missing, path: path, "is not there") }
            if Folder.isFolder(path) {
                for name in Folder.relativeFiles(path)
                where !name.split(separator: "/").contains(where: { $0.hasPrefix(".") }) {
                    if let file = CorpusFile(path: "\(path)/\(name)") {
                        files.append(file)
                    } else {
                        skipped.append("\(path)/\(name)")
                    }
                }
            } else if let file = CorpusFile(path: path) {
                files.append(file)
            } else {
                throw DataError(
                    .unsupported, path: path, "is of an unknown kind; names end in \(CorpusFile.knownEndings)")
            }
        }
        guard !files.isEmpty else {
            throw DataError(
                .missing, path: paths.first,
                "there is nothing to read; names of files end in \(CorpusFile.knownEndings)")
        }
        if let separator = options.separator, separator.isEmpty {
            throw DataError(.invalid, field: "separator", "is empty")
        }
        self.files = files
        self.skipped = skipped
        self.options = options
        byteCount = files.reduce(0) { $0 + $1.byteCount }
    }

    /// Bytes of the files read so far.
    public var bytesRead: Int { finishedBytes + (stream?.position ?? 0) }

    public func nextDocument() throws(DataError) -> Document? {
        while true {
            if let reader {
                if let document = try reader.next() {
                    documentCount += 1
                    return document
                }
                cutCount += (reader as? TextDocuments)?.cutCount ?? 0
                finishedBytes += files[next - 1].byteCount
                self.reader = nil
                stream = nil
            }
            guard next < files.count else { return nil }
            next += 1
            reader = try open(files[next - 1])
        }
    }

    private func open(_ file: CorpusFile) throws(DataError) -> any DocumentReader {
        let mapping = RecordMapping(field: options.field)
        if file.format == .parquet {
            return try TableDocuments(ParquetTable(path: file.path), mapping: mapping)
        }
        let stream = try CorpusStream(path: file.path)
        self.stream = stream
        switch file.format {
        case .text:
            return TextDocuments(stream, separator: options.separator, largest: options.largestTextDocument)
        case .jsonLines: return JSONLinesDocuments(stream, mapping: mapping)
        case .json:
            let bytes = try stream.readAll(upTo: 1 << 31)
            let first = bytes.first { !($0 == 0x20 || (0x09...0x0d).contains($0) || [0xef, 0xbb, 0xbf].contains($0)) }
            // Many files of JSON lines are called .json.
            if first != UInt8(ascii: "["), let lines = try? CorpusStream(path: file.path) {
                self.stream = lines
                return JSONLinesDocuments(lines, mapping: mapping)
            }
            let start = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
            return try JSONDocuments(start == 0 ? bytes : Array(bytes[start...]), path: file.path, mapping: mapping)
        case .csv: return try CSVDocuments(stream, delimiter: UInt8(ascii: ","), mapping: mapping)
        case .tsv: return try CSVDocuments(stream, delimiter: UInt8(ascii: "\t"), mapping: mapping)
        case .parquet: throw DataError(.unsupported, path: file.path, "is a Parquet file")
        }
    }
}
