import MartletSystem

/// A dictionary in insertion order with Python's key equality (`1 == True == 1.0`).
package struct JinjaDictionary {
    package typealias Entry = (key: JinjaValue, value: JinjaValue)

    private final class Storage {
        var entries: [Entry] = []
        /// Positions by key, if there are too many keys for a linear scan.
        var positions: [JinjaKey: Int] = [:]
        var depth = 1
        var weight = JinjaValue.ownWeight
        var spelling: JinjaText?
    }

    private var storage = Storage()

    package init() {}

    var entries: [Entry] { storage.entries }
    var count: Int { storage.entries.count }
    var keys: [JinjaValue] { storage.entries.map(\.key) }
    var values: [JinjaValue] { storage.entries.map(\.value) }
    /// Nesting depth of the values.
    var depth: Int { storage.depth }
    /// See `JinjaValue.weight`.
    var weight: Int { storage.weight }
    /// The text that replaces the dictionary where a string is needed, as for a call's arguments. A change of the
    /// dictionary removes it.
    package var spelling: JinjaText? { storage.spelling }

    package mutating func spell(_ text: JinjaText) {
        makeUnique()
        storage.spelling = text
    }

    private static let linearLimit = 8

    /// The value under a string key.
    subscript(name: JinjaText) -> JinjaValue? {
        if storage.positions.isEmpty {
            for entry in storage.entries {
                if case .string(let key) = entry.key, key.bytes == name.bytes { return entry.value }
            }
            return nil
        }
        return storage.positions[JinjaKey(.string(name))].map { storage.entries[$0].value }
    }

    /// The value under any key; throws if the key is not hashable.
    func value(for key: JinjaValue, _ meter: JinjaMeter) throws(JinjaError) -> JinjaValue? {
        try meter.touch(key.weight)
        if case .string(let name) = key { return self[name] }
        try Self.checkHashable(key)
        return position(of: key).map { storage.entries[$0].value }
    }

    /// The value under a key of another dictionary.
    func value(ofHashable key: JinjaValue) -> JinjaValue? { position(of: key).map { storage.entries[$0].value } }

    mutating func set(_ key: JinjaValue, _ value: JinjaValue, _ meter: JinjaMeter) throws(JinjaError) {
        try meter.touch(key.weight.multiplied(clampedBy: 2))
        try Self.checkHashable(key)
        insert(key, value)
    }

    package mutating func set(_ name: JinjaText, _ value: JinjaValue) { insert(.string(name), value) }

    private mutating func makeUnique() {
        guard !isKnownUniquelyReferenced(&storage) else { return }
        let copy = Storage()
        copy.entries = storage.entries
        copy.positions = storage.positions
        copy.depth = storage.depth
        copy.weight = storage.weight
        storage = copy
    }

    private mutating func insert(_ key: JinjaValue, _ value: JinjaValue) {
        makeUnique()
        storage.spelling = nil
        storage.depth = max(storage.depth, 1 + value.depth, 1 + key.depth)
        if let position = position(of: key) {
            let old = storage.entries[position].value.weight
            storage.entries[position].value = value
            storage.weight = storage.weight == .max ? .max : (storage.weight - old).adding(clamped: value.weight)
            if storage.weight == .max { weigh() }
            return
        }
        storage.entries.append((key, value))
        storage.weight = storage.weight.adding(clamped: key.weight).adding(clamped: value.weight)
        if !storage.positions.isEmpty {
            storage.positions[JinjaKey(key)] = storage.entries.count - 1
        } else if storage.entries.count > Self.linearLimit {
            for (position, entry) in storage.entries.enumerated() { storage.positions[JinjaKey(entry.key)] = position }
        }
    }

    private func weigh() {
        storage.weight = storage.entries.reduce(JinjaValue.ownWeight) {
            $0.adding(clamped: $1.key.weight).adding(clamped: $1.value.weight)
        }
    }

    private func position(of key: JinjaValue) -> Int? {
        if storage.positions.isEmpty { return storage.entries.firstIndex { JinjaKey($0.key) == JinjaKey(key) } }
        return storage.positions[JinjaKey(key)]
    }

    static func checkHashable(_ key: JinjaValue) throws(JinjaError) {
        switch key {
        case .list, .dict: throw .type("unhashable type: '\(key.typeName)'")
        case .view(let name, _) where name != "dict_values": throw .type("unhashable type: '\(name)'")
        case .tuple(let values): for value in values { try checkHashable(value) }
        default: break
        }
    }
}

/// A value as a dictionary key or set member. Only hashable values are wrapped; the cost of hashing and comparing them
/// is charged beforehand.
struct JinjaKey: Hashable {
    let value: JinjaValue

    init(_ value: JinjaValue) { self.value = value }

    /// As in Python, where NaN as a key is found again, although it does not equal itself.
    static func == (left: JinjaKey, right: JinjaKey) -> Bool {
        switch (left.value, right.value) {
        case (.float(let a), .float(let b)): a == b || (a.isNaN && b.isNaN)
        case (.tuple(let a), .tuple(let b)): a.count == b.count && zip(a, b).allSatisfy { JinjaKey($0) == JinjaKey($1) }
        default: left.value.equals(right.value)
        }
    }

    func hash(into hasher: inout Hasher) {
        switch value {
        case .bool(let flag): hasher.combine(Int64(flag ? 1 : 0))
        case .int(let number): hasher.combine(number)
        case .float(let number):
            if let whole = Int64(exactly: number) {
                hasher.combine(whole)
            } else {
                hasher.combine(number.isNaN ? 0 : number)
            }
        case .string(let text): hasher.combine(text)
        case .tuple(let values): for value in values { JinjaKey(value).hash(into: &hasher) }
        case .range(let range):
            hasher.combine(range.count)
            if range.count > 0 { hasher.combine(range.start) }
            if range.count > 1 { hasher.combine(range.step) }
        case .namespace(let object): hasher.combine(ObjectIdentifier(object))
        case .callable(let object): hasher.combine(ObjectIdentifier(object))
        case .iterator(let object): hasher.combine(ObjectIdentifier(object))
        case .loop(let object): hasher.combine(ObjectIdentifier(object))
        case .undefined: hasher.combine(1)
        case .none, .list, .dict, .view: hasher.combine(2)
        }
    }
}
