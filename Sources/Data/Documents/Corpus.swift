import MartletFormats
import MartletSystem

/// How the files of a corpus are read.
public struct CorpusOptions: Sendable {
    /// The field or column that holds the text or the messages; nil: found by the names of the columns.
    public var field: String?
    /// The columns of prompt, response and other roles, where their names do not tell.
    public var columns = ColumnMap()
    /// The separator between the documents of a text file; nil makes each text file one document.
    public var separator: String? = "<|endoftext|>"
    /// A text file without separators is split into documents of at most this many bytes, at line ends.
    public var largestTextDocument = 16 << 20
    /// What is done with invalid records.
    public var badRecords = BadRecordPolicy.stop
    /// The split to read of a folder: `train`, `validation`, `test`, another name that the folder has, or `all`.
    public var split = "train"
    /// The subset to read of a hub repository whose README lists several.
    public var subset: String?

    /// The system prompt of conversations that have none of their own.
    public var system: String?

    /// Read only the first so many records of each file.
    public var largestCount: Int?

    /// Prompts do not need a reply, and each document keeps its record: for reinforcement learning.
    public var keepsPrompts = false

    /// Records are not read as documents: each keeps its columns as they are (`Document.record`), for what asks for them by
    /// their names. Text files have none and are refused.
    public var keepsRows = false

    /// How records with preferences or labels of replies are read.
    public var feedback = FeedbackReading.ignored
    /// LLaMA-Factory's description of data sets; paths may be names of its data sets.
    public var datasets: DatasetInfo?
    /// Where a data set of the hub, org/name, is looked for that is no path.
    public var hub = HubCache()

    /// The largest size of a JSON line or a row, in bytes.
    static let largestRecord = 1 << 28

    public init() {}
}

/// How records with preferences or labels of replies are read.
public enum FeedbackReading: Sendable, Hashable {
    /// The good replies are texts to train on.
    case ignored
    /// All records must be feedback.
    case demanded
    /// Records with preferences or labels are feedback; others are documents.
    case whereThere
}

/// The documents of files and folders, in the order of file names, read once from beginning to end.
///
/// ```swift
/// let corpus = try Corpus(["corpus/"])
/// while let document = try corpus.nextDocument() { print(document.origin) }
/// ```
public final class Corpus {
    public let files: [CorpusFile]
    /// Files in the folders that are not read, each with the reason.
    public let leftOutFiles: [LeftOutFile]
    public let byteCount: Int
    /// Decisions about files that do not follow from the options, one sentence each.
    public private(set) var notes: [String] = []
    public private(set) var documentCount = 0
    /// How many times a text was split because it was too long for one document.
    public private(set) var cutCount = 0
    /// Counts of what was left out or changed so far.
    public private(set) var tally = CorpusTally()
    /// Called for each skipped record, if the policy is `report`.
    public var onBadRecord: (DataError) -> Void = { _ in }

    private let options: CorpusOptions
    private var next = 0
    private var reader: (any DocumentReader)?
    private var stream: CorpusStream?
    private var finishedBytes = 0
    /// By file path.
    private var described: [String: DatasetInfo.Entry] = [:]
    /// The number of documents still to be read from the file; nil: all.
    private var left: Int?

    /// - Parameter paths: files, and folders whose files are read.
    /// - Throws: `DataError` for a path that does not exist, an unknown file type, or an empty selection.
    public init(_ paths: [String], options: CorpusOptions = CorpusOptions()) throws(DataError) {
        var files: [CorpusFile] = [], leftOut: [LeftOutFile] = [], described: [String: DatasetInfo.Entry] = [:]
        // A name of two parts, the first of which is no folder that is here: else a path is misspelt.
        func isDataset(_ name: String) -> Bool {
            let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            return parts.count == 2 && HubCache.isName(name) && !Folder.exists(parts[0])
                && CorpusFile(path: name) == nil
        }
        func cached(_ name: String) -> String? {
            !Folder.exists(name) && isDataset(name) ? options.hub.dataset(name) : nil
        }
        for given in paths {
            var path = given, own = options
            if let datasets = options.datasets, !Folder.exists(path) || datasets.names.contains(path) {
                let entry = try datasets.entry(path)
                path = entry.path
                described[path] = entry
                if let split = entry.split { own.split = split }
                if let subset = entry.subset { own.subset = subset }
            } else if let folder = cached(path) {
                path = folder
            } else if let part = FolderPart(path, cached: cached) {
                path = part.path
                own.split = part.split
                if let subset = part.subset { own.subset = subset }
            }
            guard Folder.exists(path) else {
                let name = path.split(separator: ":").first.map(String.init) ?? path
                throw DataError(
                    .missing, path: path,
                    "is not there"
                        + (isDataset(name)
                            ? "; data sets are read from the hub's cache and not downloaded: hf download --repo-type dataset \(name) "
                                + "brings one of that name there" : ""))
            }
            if Folder.isFolder(path) {
                let layout = try FolderLayout(path, options: own)
                files += layout.files
                if let entry = described[path] { for file in layout.files { described[file.path] = entry } }
                leftOut += layout.leftOut
            } else if let file = CorpusFile(path: path) {
                files.append(file)
            } else {
                throw DataError(
                    .unsupported, path: path, "is of an unknown kind; known names end in \(CorpusFile.knownEndings)")
            }
        }
        guard !files.isEmpty else {
            let why = LeftOutFile.summary(leftOut).joined(separator: "; ")
            throw DataError(
                .missing, path: paths.first,
                "there is nothing to read; known names of files end in \(CorpusFile.knownEndings)"
                    + (why.isEmpty ? "" : ". Not read: \(why)"))
        }
        if let separator = options.separator, separator.isEmpty {
            throw DataError(.invalid, field: "separator", "is empty")
        }
        if options.field != nil, !options.columns.isEmpty {
            throw DataError(
                .invalid, field: "map", "cannot be combined with a field; map the column of the text with text=…")
        }
        self.files = files
        self.leftOutFiles = leftOut
        self.options = options
        if options.keepsRows, let text = files.first(where: { $0.format == .text }) {
            throw DataError(
                .unsupported, path: text.path,
                "is text without columns; rows are read from JSONL, JSON, CSV, TSV, Parquet and Arrow")
        }
        if options.field == nil, options.columns.isEmpty, !options.keepsRows {
            for file in files where described[file.path] == nil {
                let found = try DatasetInfo.beside(file.path)?.entries(in: file.path) ?? []
                guard let first = found.first,
                    found.allSatisfy({ $0.columns == first.columns && $0.tags == first.tags })
                else { continue }
                // A file that the caller names is read in full.
                described[file.path] = DatasetInfo.Entry(
                    name: first.name, path: first.path, columns: first.columns, tags: first.tags, samples: nil,
                    isRanking: first.isRanking)
                notes.append("\(file.path) is read as dataset_info.json beside it describes \(first.name)")
            }
        }
        self.described = described
        byteCount = files.reduce(0) { $0.adding(clamped: $1.byteCount) }
    }

    /// Bytes of the files read so far.
    public var bytesRead: Int { finishedBytes + (stream?.position ?? 0) }

    /// Whether there may be more documents.
    var hasMore: Bool { reader != nil || next < files.count }

    /// The next document; nil at the end.
    /// - Throws: `DataError` when a file cannot be read further, or for an invalid record if the policy is `stop`.
    public func nextDocument() throws(DataError) -> Document? {
        while true {
            while left != 0, let record = try reader?.next() {
                switch record {
                case .document(let document, let notes):
                    if let left { self.left = left - 1 }
                    documentCount += 1
                    for note in notes { tally.add(note, at: document.origin) }
                    return document
                case .leftOut(let kind, let place): tally.add(kind, at: place)
                case .bad(let error): try passOver(error)
                }
            }
            if reader != nil {
                cutCount += (reader as? TextDocuments)?.cutCount ?? 0
                finishedBytes += files[next - 1].byteCount
                self.reader = nil
                stream = nil
            }
            guard next < files.count else { return nil }
            next += 1
            left = [described[files[next - 1].path]?.samples, options.largestCount].compactMap(\.self).min()
            reader = try open(files[next - 1])
        }
    }

    /// Applies the policy for invalid records to an error; also for errors that are found when the document is
    /// tokenised.
    public func passOver(_ error: DataError) throws(DataError) {
        var error = error
        error.isOneRecord = true
        if options.badRecords == .stop { throw error }
        tally.add(.badRecord, at: error.description)
        if options.badRecords == .report { onBadRecord(error) }
    }

    private func open(_ file: CorpusFile) throws(DataError) -> any DocumentReader {
        var mapping = RecordMapping(
            field: options.field, columns: options.columns, keepsPrompts: options.keepsPrompts)
        mapping.feedback = options.feedback
        mapping.keepsRows = options.keepsRows
        mapping.system = options.system.flatMap { $0.isEmpty ? nil : $0 }
        if let entry = described[file.path] {
            if options.field == nil, options.columns.isEmpty { mapping.columns = entry.columns }
            mapping.tags = entry.tags
        }
        if file.format == .parquet { return try TableDocuments(ParquetTable(path: file.path), mapping: mapping) }
        if file.format == .arrow { return try TableDocuments(ArrowTable(path: file.path), mapping: mapping) }
        let stream = try CorpusStream(path: file.path)
        self.stream = stream
        switch file.format {
        case .text:
            return TextDocuments(stream, separator: options.separator, largest: options.largestTextDocument)
        case .jsonLines: return JSONLinesDocuments(LineReader(stream), path: file.path, mapping: mapping)
        case .json:
            var values = JSONValueScanner(ByteScanner(stream), path: file.path)
            // JSON Lines files are often named .json.
            if let first = try values.peek(), first != UInt8(ascii: "["), try values.firstLineIsWhole() {
                return JSONLinesDocuments(LineReader(values.rest, path: file.path), path: file.path, mapping: mapping)
            }
            return JSONDocuments(values, path: file.path, mapping: mapping)
        case .csv: return try CSVDocuments(stream, delimiter: UInt8(ascii: ","), mapping: mapping)
        case .tsv: return try CSVDocuments(stream, delimiter: UInt8(ascii: "\t"), mapping: mapping)
        case .parquet, .arrow: throw DataError(.unsupported, path: file.path, "is a table format that cannot be read")
        }
    }
}
