import MartletJSON

/// Records the objects of one request that were opened, and which of their members were read.
final class FieldLedger {
    private struct Entry {
        var object: JSONObject
        var path: String
        var read: Set<String> = []
    }
    private var entries: [Entry] = []

    /// - Returns: the number of the object.
    func add(_ object: JSONObject, path: String) -> Int {
        entries.append(Entry(object: object, path: path))
        return entries.count - 1
    }

    func read(_ key: String, of number: Int) { entries[number].read.insert(key) }

    /// The paths of unread members. For an object that was opened several times, a member read by anyone counts as
    /// read.
    var unread: [String] {
        var asked: [String: Set<String>] = [:]
        for entry in entries { asked[entry.path, default: []].formUnion(entry.read) }
        var seen: Set<String> = []
        var paths: [String] = []
        for entry in entries where seen.insert(entry.path).inserted {
            for (key, _) in entry.object where asked[entry.path]?.contains(key) != true {
                paths.append(entry.path.isEmpty ? key : entry.path + "." + key)
            }
        }
        return paths
    }
}
