import MartletFormats
import MartletJSON

/// LLaMA-Factory's `dataset_info.json`: data sets with their files, and the names of their columns and message fields.
///
/// ```swift
/// let info = try DatasetInfo(path: "data/dataset_info.json")
/// print(info.names, try info.entry("dpo_en_demo").path)
/// ```
public struct DatasetInfo: Sendable {
    /// One data set.
    public struct Entry: Sendable, Hashable {
        public let name: String
        /// The path of its file or folder.
        public let path: String
        /// The roles of its columns, where given.
        public let columns: ColumnMap
        /// The names of its message fields, where given.
        public let tags: MessageTags
        /// Read only the first so many records.
        public let samples: Int?
        /// The split and the subset of its folder, where given.
        public var split: String?
        public var subset: String?
        /// Whether its rows are preference pairs.
        public let isRanking: Bool
    }

    public let path: String
    private let entries: [String: Result<Entry, DataError>]
    public var names: [String] { entries.keys.sorted() }

    /// - Throws: `DataError` for a file that is not an object of data sets. Errors of one data set are thrown by
    ///   `entry`.
    public init(path: String) throws(DataError) {
        self.path = path
        let json: JSON
        do { json = try JSON(parsing: Folder.read(path)) } catch {
            throw DataError(.malformed, path: path, "\(error)")
        }
        guard let sets = json.object else {
            throw DataError(.malformed, path: path, "is \(json.kind), expected an object of data sets")
        }
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        var entries: [String: Result<Entry, DataError>] = [:]
        for (name, value) in sets {
            do throws(DataError) {
                entries[name] = .success(try Self.entry(name, value, path: path, folder: folder.isEmpty ? "." : folder))
            } catch {
                entries[name] = .failure(error)
            }
        }
        self.entries = entries
    }

    /// - Throws: `DataError` for an unknown name, or a description that is invalid.
    public func entry(_ name: String) throws(DataError) -> Entry {
        guard let found = entries[name] else {
            let shown = names.prefix(12).joined(separator: ", ") + (names.count > 12 ? ", …" : "")
            throw DataError(.missing, path: path, field: name, "is not a data set of this file; there are \(shown)")
        }
        return try found.get()
    }

    /// The data sets in a file; invalid descriptions are left out.
    func entries(in file: String) -> [Entry] {
        entries.values.compactMap { try? $0.get() }.filter { $0.path == file }.sorted { $0.name < $1.name }
    }

    /// The `dataset_info.json` in the folder of a data file, if there is one.
    static func beside(_ file: String) throws(DataError) -> DatasetInfo? {
        let parts = file.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.last != "dataset_info.json" else { return nil }
        let folder = parts.dropLast().joined(separator: "/")
        let path = (parts.count > 1 ? folder + "/" : "") + "dataset_info.json"
        return Folder.isFile(path) ? try DatasetInfo(path: path) : nil
    }

    private static let roles: [String: ColumnMap.Role] = [
        "prompt": .prompt, "query": .context, "response": .response, "history": .history, "messages": .messages,
        "system": .system, "tools": .tools, "chosen": .chosen, "rejected": .rejected, "kto_tag": .label,
    ]
    private static let known: Set = [
        "file_name", "formatting", "ranking", "columns", "tags", "num_samples", "split", "subset", "folder",
        "hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name", "load_from",
    ]

    private static func entry(
        _ name: String, _ json: JSON, path: String, folder: String
    ) throws(DataError) -> Entry {
        func fail(_ field: String, _ reason: String, _ kind: DataError.Kind = .malformed) -> DataError {
            DataError(kind, path: path, field: "\(name).\(field)", reason)
        }
        guard let members = json.object else { throw fail("", "is \(json.kind), expected an object") }
        if let key = members.keys.first(where: { !known.contains($0) }) {
            throw fail(key, "is not a key of a data set; there are \(known.sorted().joined(separator: ", "))")
        }
        guard let file = members["file_name"]?.string else {
            throw fail(
                "file_name", "is missing: data sets are not downloaded from hubs; download it and name its file",
                .unsupported)
        }
        let formatting = members["formatting"]?.string ?? "alpaca"
        guard ["alpaca", "sharegpt"].contains(formatting) else {
            throw fail("formatting", "is \(FormatError.quote(formatting)), expected alpaca or sharegpt", .unsupported)
        }
        var columns: [ColumnMap.Role: String] = [:]
        for (key, value) in members["columns"]?.object ?? JSONObject() {
            guard let role = roles[key] else {
                throw fail("columns.\(key)", "is not a column of text", .unsupported)
            }
            guard let column = value.string else { throw fail("columns.\(key)", "is \(value.kind), expected a name") }
            columns[role] = column
        }
        let isRanking = members["ranking"]?.bool ?? false
        if isRanking {
            columns[.chosen] = columns[.chosen] ?? "chosen"
            columns[.rejected] = columns[.rejected] ?? "rejected"
        }
        var usual: [ColumnMap.Role: String] = [:]
        if formatting == "sharegpt" {
            columns[.messages] = columns[.messages] ?? "conversations"
        } else if !columns.isEmpty {
            columns[.prompt] = columns[.prompt] ?? "instruction"
            if !isRanking { usual[.response] = "output" }
            usual[.context] = "input"
        }
        func part(_ key: String) throws(DataError) -> String? {
            guard let value = members[key], !value.isNull else { return nil }
            guard let text = value.string else { throw fail(key, "is \(value.kind), expected a name") }
            return text
        }
        var entry = Entry(
            name: name, path: folder == "." ? file : "\(folder)/\(file)",
            columns: ColumnMap(columns: columns, usual: usual),
            tags: try MessageTags(members["tags"], fail: { fail("tags.\($0)", $1) }),
            samples: try members["num_samples"].map { value throws(DataError) in
                guard let count = value.integer, count > 0 else { throw fail("num_samples", "is not a number above 0") }
                return count
            }, isRanking: isRanking)
        entry.split = try part("split")
        entry.subset = try part("subset")
        guard members["folder"].map(\.isNull) ?? true else {
            throw fail("folder", "is of data sets of a hub: name the folder in file_name", .unsupported)
        }
        return entry
    }
}

/// The names of the parts of messages, where they differ from the usual names.
public struct MessageTags: Sendable, Hashable {
    public private(set) var role: String?, content: String?
    /// The role for each speaker name.
    public private(set) var speakers: [String: String] = [:]

    public init() {}

    private static let roles = [
        "user_tag": "user", "assistant_tag": "assistant", "system_tag": "system", "observation_tag": "tool",
        "function_tag": "function_call",
    ]

    init(_ json: JSON?, fail: (String, String) -> DataError) throws(DataError) {
        guard let json, !json.isNull else { return }
        guard let members = json.object else { throw fail("", "is \(json.kind), expected an object") }
        for (key, value) in members {
            guard let name = value.string else { throw fail(key, "is \(value.kind), expected a name") }
            switch key {
            case "role_tag": role = name
            case "content_tag": content = name
            default:
                guard let role = Self.roles[key] else { throw fail(key, "is not a tag of messages") }
                speakers[name] = role
            }
        }
    }

    var isUsual: Bool { role == nil && content == nil && speakers.isEmpty }

    /// A message with its fields renamed to the usual names.
    func renamed(_ json: JSON) -> JSON {
        guard !isUsual, var members = json.object else { return json }
        let roleKey = role ?? (members["from"] != nil ? "from" : "role")
        let contentKey = content ?? (members["value"] != nil ? "value" : "content")
        guard let speaker = members[roleKey]?.string, let said = members[contentKey] else { return json }
        let known = speakers[speaker] ?? speaker
        if roleKey != "role" { members[roleKey] = nil }
        if contentKey != "content" { members[contentKey] = nil }
        if ["function_call", "human", "gpt", "observation"].contains(known) || roleKey == "from" {
            // ShareGPT's speaker names are read as they are.
            members["role"] = nil
            members["content"] = nil
            members["from"] = .string(known)
            members["value"] = said
        } else {
            members["role"] = .string(known)
            members["content"] = said
        }
        return .object(members)
    }
}
