import MartletFormats
import MartletJSON
import MartletSystem

/// Finds tasks and groups by name: built in, in files, and in folders of files.
///
/// ```swift
/// let library = TaskLibrary { try yaml($0) }
/// let tree = try library.tasks(["mmlu", "my_task.yaml"])
/// ```
public struct TaskLibrary {
    /// A file as a value. YAML is read by whoever calls; a tag `!function name` is `{"!function": "name"}`.
    private let read: (String) throws -> JSON
    private let overrides: JSONObject

    /// - Parameter overrides: keys that replace those of every task.
    public init(overrides: JSONObject = [:], read: @escaping (String) throws -> JSON) {
        self.read = read
        self.overrides = overrides
    }

    /// The names of what is built in.
    public static var builtIn: [String] { BuiltInTasks.all.map(\.name) }

    /// - Parameter names: built-in names, tags or files; a file's folder is where its own references are looked for.
    public func tasks(_ names: [String]) throws -> TaskTree {
        var tree = TaskTree()
        for name in names { tree.roots += try nodes(name, folder: nil, &tree, depth: 0) }
        guard !tree.tasks.isEmpty else { throw EvaluationError("--tasks", "there are no tasks") }
        return tree
    }

    private static func isFile(_ name: String) -> Bool {
        [".yaml", ".yml", ".json"].contains { name.hasSuffix($0) }
    }

    private func nodes(_ name: String, folder: String?, _ tree: inout TaskTree, depth: Int) throws -> [TaskTree.Node] {
        guard depth < 16 else {
            throw EvaluationError(name, "groups lie in groups more than 16 deep, or in themselves")
        }
        if name.hasSuffix(".txt"), Folder.isFile(name) {
            return [try node(PlainText.definition(name), name, &tree, depth)]
        }
        if Self.isFile(name) {
            let path = Folder.isFile(name) || folder == nil ? name : "\(folder ?? "")/\(name)"
            return [try node(try definition(path), path, &tree, depth)]
        }
        if Folder.isFolder(name) {
            return try Self.files(in: name).map { try node(try definition($0), $0, &tree, depth) }
        }
        // Beside the file that names it.
        if let folder {
            for path in Self.files(in: folder) {
                let value = try definition(path)
                if value["task"]?.string == name || value["group"]?.string == name {
                    return [try node(value, path, &tree, depth)]
                }
            }
            let tagged = try Self.files(in: folder).filter {
                let tag = try definition($0)["tag"] ?? .null
                return (tag.array ?? [tag]).contains(.string(name))
            }
            if !tagged.isEmpty { return try tagged.map { try node(try definition($0), $0, &tree, depth) } }
        }
        if let entry = BuiltInTasks.all.first(where: { $0.name == name }) {
            return [try node(entry.value, "built in: \(name)", &tree, depth)]
        }
        let tagged = BuiltInTasks.all.filter { ($0.value["tag"]?.array ?? []).contains(.string(name)) }
        guard tagged.isEmpty else { return try tagged.map { try node($0.value, "built in: \($0.name)", &tree, depth) } }
        let near = Spelling.nearest(to: name, among: Self.builtIn)
        throw EvaluationError(
            name,
            "is no task" + (near.map { "; did you mean \($0)?" } ?? ".") + " Built in are "
                + Self.builtIn.filter { name in !["mmlu_", "cmmlu_", "ceval-valid_"].contains { name.hasPrefix($0) } }
                .joined(separator: ", ")
                + "; others are files that end in .yaml or .json, and texts that end in .txt")
    }

    private static func files(in folder: String) -> [String] {
        Folder.files(folder.isEmpty ? "." : folder).filter(isFile).map { "\(folder)/\($0)" }
    }

    /// A file with what it includes.
    private func definition(_ path: String, depth: Int = 0) throws -> JSONObject {
        guard depth < 16 else {
            throw EvaluationError(path, field: "include", "files include each other without an end")
        }
        let value = try read(path)
        guard !value.isNull, value.object?.isEmpty != true else {
            throw EvaluationError(
                path,
                "is empty: a task's file has keys and values, as task, dataset_path, test_split, doc_to_text and doc_to_target"
            )
        }
        guard let object = value.object else { throw EvaluationError(path, "expected keys and values") }
        guard let include = object["include"], !include.isNull else { return object }
        var merged = JSONObject()
        for entry in include.array ?? [include] {
            guard let name = entry.string else { throw EvaluationError(path, field: "include", "is no file's name") }
            let other = name.hasPrefix("/") ? name : Self.folder(of: path) + "/" + name
            for (key, value) in try definition(other, depth: depth + 1) { merged[key] = value }
        }
        for (key, value) in object where key != "include" { merged[key] = value }
        return merged
    }

    private static func folder(of path: String) -> String {
        path.contains("/") ? String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) : "."
    }

    private func node(
        _ value: JSONObject, _ path: String, _ tree: inout TaskTree, _ depth: Int
    ) throws -> TaskTree.Node {
        let folder = Self.folder(of: path)
        guard let group = value["group"]?.string, value["dataset_path"] == nil else {
            var source = value
            for (key, override) in overrides { source[key] = override }
            let task = try TaskDefinition(source, from: path, folder: folder)
            if let known = tree.tasks.first(where: { $0.name == task.name }) {
                guard JSON.object(known.source) == JSON.object(task.source) else {
                    throw EvaluationError(path, field: "task", "\(task.name) is the name of two different tasks")
                }
            } else {
                tree.tasks.append(task)
            }
            return .task(task.name)
        }
        for key in value.keys
        where !["group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag"].contains(key) {
            throw EvaluationError(path, field: key, "is no key of a group")
        }
        guard let entries = value["task"].map({ $0.array ?? [$0] }), !entries.isEmpty else {
            throw EvaluationError(path, field: "task", "a group needs a list of tasks")
        }
        let inner = path.hasPrefix("built in") ? nil : folder
        var members: [TaskTree.Node] = []
        for entry in entries {
            if let name = entry.string {
                members += try nodes(name, folder: inner, &tree, depth: depth + 1)
            } else if let object = entry.object {
                members.append(try inline(object, path, folder, &tree, depth))
            } else {
                throw EvaluationError(path, field: "task", "an entry is \(entry.kind), expected a name or keys")
            }
        }
        return .group(
            name: group, alias: value["group_alias"]?.string ?? group,
            version: value["metadata"]?["version"] ?? "N/A",
            metrics: try Self.metrics(value["aggregate_metric_list"], path), members: members)
    }

    /// A member written out: a group, a task, or a named task with changes.
    private func inline(
        _ object: JSONObject, _ path: String, _ folder: String, _ tree: inout TaskTree, _ depth: Int
    ) throws -> TaskTree.Node {
        if object["group"] != nil || object["dataset_path"] != nil { return try node(object, path, &tree, depth + 1) }
        guard let name = object["task"]?.string else {
            throw EvaluationError(path, field: "task", "an entry names no task")
        }
        var base: JSONObject?
        if let entry = BuiltInTasks.all.first(where: { $0.name == name }) { base = entry.value }
        for file in Self.files(in: folder) where base == nil {
            let value = try definition(file)
            if value["task"]?.string == name { base = value }
        }
        guard var merged = base else { throw EvaluationError(path, field: "task", "there is no task \(name.quoted())") }
        for (key, value) in object { merged[key] = value }
        return try node(merged, path, &tree, depth + 1)
    }

    private static func metrics(_ json: JSON?, _ path: String) throws(EvaluationError) -> [TaskTree.GroupMetric] {
        guard let json, !json.isNull else { return [] }
        var metrics: [TaskTree.GroupMetric] = []
        for entry in json.array ?? [json] {
            guard let name = entry["metric"]?.string else {
                throw EvaluationError(path, field: "aggregate_metric_list", "an entry names no metric")
            }
            var metric = TaskTree.GroupMetric(metric: name)
            for (key, value) in entry.object ?? [:] where key != "metric" {
                switch key {
                case "aggregation" where value.string == "mean" || value.string == "centered": break
                case "baselines":
                    for (task, baseline) in value.object ?? [:] {
                        guard let number = baseline.double, (0..<1).contains(number) else {
                            throw EvaluationError(
                                path, field: "aggregate_metric_list",
                                "\(name): the baseline of \(task) is no number from 0 to below 1")
                        }
                        metric.baselines[task] = number
                    }
                case "weight_by_size": metric.weighsBySize = value.bool ?? true
                case "filter_list": metric.filters = (value.array ?? [value]).compactMap(\.string)
                default:
                    throw EvaluationError(
                        path, field: "aggregate_metric_list",
                        "\(name): \(key) is \(value.text().shown()), which is not read")
                }
            }
            metrics.append(metric)
        }
        return metrics
    }
}
