/// A dictionary in insertion order with Python's key equality (`1 == True == 1.0`).
package struct JinjaDictionary {
    private(set) var entries: [(key: JinjaValue, value: JinjaValue)] = []
    /// Positions by key once there are more than a linear scan is good for.
    private var positions: [JinjaKey: Int] = [:]

    /// Depth of the values inside one another.
    private(set) var depth = 1

    package init() {}

    var count: Int { entries.count }
    var keys: [JinjaValue] { entries.map(\.key) }
    var values: [JinjaValue] { entries.map(\.value) }

    private static let linearLimit = 8

    /// The value under a string key.
    subscript(name: JinjaText) -> JinjaValue? {
        if positions.isEmpty {
            for entry in entries {
                if case .string(let key) = entry.key, key.bytes == name.bytes { return entry.value }
            }
            return nil
        }
        return positions[JinjaKey(.string(name))].map { entries[$0].value }
    }

    /// The value under any key; throws when the key cannot be one.
    func value(for key: JinjaValue) throws(JinjaError) -> JinjaValue? {
        if case .string(let name) = key { return self[name] }
        try Self.checkHashable(key)
        return position(of: key).map { entries[$0].value }
    }

    mutating func set(_ key: JinjaValue, _ value: JinjaValue) throws(JinjaError) {
        try Self.checkHashable(key)
        insert(key, value)
    }

    package mutating func set(_ name: JinjaText, _ value: JinjaValue) { insert(.string(name), value) }

    private mutating func insert(_ key: JinjaValue, _ value: JinjaValue) {
        depth = max(depth, 1 + value.depth, 1 + key.depth)
        if let position = position(of: key) {
            entries[position].value = value
            return
        }
        entries.append((key, value))
        if !positions.isEmpty {
            positions[JinjaKey(key)] = entries.count - 1
        } else if entries.count > Self.linearLimit {
            for (position, entry) in entries.enumerated() { positions[JinjaKey(entry.key)] = position }
        }
    }

    private func position(of key: JinjaValue) -> Int? {
        if positions.isEmpty { return entries.firstIndex { $0.key.equals(key) } }
        return positions[JinjaKey(key)]
    }

    static func checkHashable(_ key: JinjaValue) throws(JinjaError) {
        switch key {
        case .list, .dict: throw .type("unhashable type: '\(key.typeName)'")
        case .tuple(let values): for value in values { try checkHashable(value) }
        default: break
        }
    }
}

/// A value as a dictionary key or member of a set. Only hashable values are wrapped.
struct JinjaKey: Hashable {
    let value: JinjaValue

    init(_ value: JinjaValue) { self.value = value }

    static func == (left: JinjaKey, right: JinjaKey) -> Bool { left.value.equals(right.value) }

    func hash(into hasher: inout Hasher) {
        switch value {
        case .bool, .int, .float: hasher.combine(value.number)
        case .string(let text): hasher.combine(text)
        case .tuple(let values): for value in values { JinjaKey(value).hash(into: &hasher) }
        case .undefined: hasher.combine(1)
        case .none: hasher.combine(2)
        default: hasher.combine(3)
        }
    }
}
