import MartletJSON

/// The objects of one request that were opened, and which of their members were asked for.
final class FieldLedger {
    private struct Entry {
        var object: JSONObject
        var path: String
        var read: Set<String> = []
    }
    private var entries: [Entry] = []

    /// - Returns: a number to call the object by.
    func add(_ object: JSONObject, path: String) -> Int {
        entries.append(Entry(object: object, path: path))
        return entries.count - 1
    }

    func read(_ key: String, of number: Int) { entries[number].read.insert(key) }

    /// The paths of what nobody asked for. An object that was opened more than once was read by all who opened it.
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
