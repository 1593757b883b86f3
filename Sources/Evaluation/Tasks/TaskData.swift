import MartletData
import MartletFormats
import MartletJSON
import MartletSystem

/// Where the rows of a task lie.
public struct TaskData: Sendable {
    /// `json`, `csv`, …, or the name of a published data set (`openai/gsm8k`).
    public var path: String
    public var name: String?
    var trainingSplit, validationSplit, testSplit: String?
    /// Files by split, as they are written.
    var files: [(split: String, paths: [String])] = []
    /// The names of columns in files without a row of names.
    var columns: [String]?
    let task: String
    let folder: String

    init(_ source: JSONObject, task: String, folder: String) throws(EvaluationError) {
        self.task = task
        self.folder = folder
        path = source["dataset_path"]?.string ?? ""
        name = source["dataset_name"]?.string
        trainingSplit = source["training_split"]?.string
        validationSplit = source["validation_split"]?.string
        testSplit = source["test_split"]?.string
        guard !path.isEmpty else { throw EvaluationError(task, field: "dataset_path", "is missing") }
        guard testSplit != nil || validationSplit != nil else {
            throw EvaluationError(task, field: "test_split", "is missing, and so is validation_split: nothing to ask")
        }
        for (key, value) in source["dataset_kwargs"]?.object ?? [:] {
            switch key {
            case "data_files":
                func list(_ json: JSON) -> [String] { (json.array ?? [json]).compactMap(\.string) }
                if let splits = value.object {
                    files = splits.map { ($0.key, list($0.value)) }
                } else {
                    files = [("train", list(value))]
                }
            case "column_names": columns = value.array?.compactMap(\.string)
            case "trust_remote_code", "revision", "cache_dir", "token": break
            default:
                throw EvaluationError(
                    task, field: "dataset_kwargs", "\(key.quoted()) is not read; known are data_files, column_names")
            }
        }
    }

    private static let readers: Set<String> = ["json", "csv", "parquet", "arrow", "text"]

    /// The rows of a split.
    func rows(_ split: String, dataFolder: String?, hub: HubCache = HubCache()) throws -> [JSONObject] {
        if path == LongContext.dataset { return try LongContext.rows(name ?? "") }
        if path == PlainText.dataset { return try PlainText.rows(try paths(split, dataFolder, hub)) }
        var rows: [JSONObject] = []
        for file in try paths(split, dataFolder, hub) {
            rows += try PublishedShape.rows(file, dataset: path, columns: columns)
        }
        guard !rows.isEmpty else { throw EvaluationError(task, place: split, "the files hold no rows") }
        return rows
    }

    /// The files of a split: those named, or those that lie where a published data set is put, or where the hub's cache has it.
    func paths(_ split: String, _ dataFolder: String?, _ hub: HubCache = HubCache()) throws -> [String] {
        if path == LongContext.dataset { return [] }
        if Self.readers.contains(path) || !files.isEmpty {
            guard let named = files.first(where: { $0.split == split })?.paths, !named.isEmpty else {
                let known = files.map(\.split).joined(separator: ", ")
                throw EvaluationError(
                    task, field: "dataset_kwargs.data_files",
                    "names no files for the split \(split.quoted()); there are \(known)")
            }
            return try named.map { name in
                let places = name.hasPrefix("/") ? [name] : [folder, ".", dataFolder ?? "."].map { "\($0)/\(name)" }
                guard let found = places.first(where: Folder.isFile) else {
                    throw EvaluationError(
                        task, place: split,
                        "there is no file \(name.quoted()); looked for \(places.joined(separator: ", "))")
                }
                return found
            }
        }
        let places = PublishedShape.places(dataset: path, name: name, split: split)
        let roots = [dataFolder, folder].compactMap { $0 }
        for root in roots {
            for place in places where Folder.isFile("\(root)/\(place)") { return ["\(root)/\(place)"] }
            for base in [path, String(path.split(separator: "/").last ?? "")] {
                if let found = shards(split, in: "\(root)/\(base)") { return found }
            }
        }
        if let snapshot = hub.dataset(path), let found = shards(split, in: snapshot) { return found }
        let root = dataFolder ?? "DIR"
        throw EvaluationError(
            task, place: split,
            "the data of \(path.quoted()) are not here; put \(places.prefix(2).map { "\(root)/\($0)" }.joined(separator: " or "))"
                + (dataFolder == nil ? " there and pass --data-dir DIR" : " there")
                + "; the hub's cache \(hub.root) has no files of it either")
    }

    /// The files of a split as a repository of the hub stores them: `SPLIT-00000-of-00001.parquet`, in a folder of the
    /// configuration's name, in `data`, or beside each other.
    private func shards(_ split: String, in repository: String) -> [String]? {
        let inner = repository + (name.map { "/\($0)" } ?? "")
        for folder in [inner, repository, inner + "/data", repository + "/data"] {
            let found = Folder.files(folder).filter { file in
                (file.hasPrefix(split + "-") || file.hasPrefix(split + ".")) && CorpusFile(path: file) != nil
            }
            if !found.isEmpty { return found.map { "\(folder)/\($0)" } }
        }
        return nil
    }
}
