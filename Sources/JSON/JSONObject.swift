/// The members of a JSON object in the order they were written.
///
/// Keys are compared by their UTF-8 bytes. Swift's `String ==` compares canonical equivalence, under which the
/// vocabulary entries "é" and "e\u{301}" would be one key; here they are two.
public struct JSONObject: Sendable, RandomAccessCollection {
    public typealias Element = (key: String, value: JSON)

    private var members: [Element]
    /// The index of each key by its hash, with open addressing; empty for objects so small that a linear scan is as
    /// fast.
    private var table: [Int32] = []

    public init() { members = [] }

    /// The given members, in order. A repeated key keeps its first position and its last value.
    public init(_ elements: [Element]) {
        self.init()
        members.reserveCapacity(elements.count)
        for element in elements { self[element.key] = element.value }
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { members.count }
    public subscript(position: Int) -> Element { members[position] }
    public var keys: [String] { members.map(\.key) }

    public subscript(key: String) -> JSON? {
        get { index(of: key).map { members[$0].value } }
        set {
            switch (index(of: key), newValue) {
            case (let position?, let value?): members[position].value = value
            case (let position?, nil):
                members.remove(at: position)
                rebuildTable()
            case (nil, let value?): _ = append(key, value)
            case (nil, nil): break
            }
        }
    }

    /// Adds a member unless the key exists.
    /// - Returns: whether it was added.
    package mutating func append(_ key: String, _ value: JSON) -> Bool {
        guard index(of: key) == nil else { return false }
        members.append((key, value))
        if members.count > Self.linearLimit {
            if members.count * 2 > table.count { rebuildTable() } else { insert(members.count - 1) }
        }
        return true
    }

    private static let linearLimit = 8

    private func index(of key: String) -> Int? {
        if table.isEmpty { return members.firstIndex { Self.same($0.key, key) } }
        var slot = Self.hash(key) & (table.count - 1)
        while table[slot] >= 0 {
            let position = Int(table[slot])
            if Self.same(members[position].key, key) { return position }
            slot = (slot + 1) & (table.count - 1)
        }
        return nil
    }

    private mutating func rebuildTable() {
        guard members.count > Self.linearLimit else {
            table = []
            return
        }
        var size = 32
        while size < members.count * 4 { size *= 2 }
        table = Array(repeating: -1, count: size)
        for position in members.indices { insert(position) }
    }

    private mutating func insert(_ position: Int) {
        var slot = Self.hash(members[position].key) & (table.count - 1)
        while table[slot] >= 0 { slot = (slot + 1) & (table.count - 1) }
        table[slot] = Int32(position)
    }

    private static func same(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

    /// The hash is seeded per process (`Hasher`), so that a malicious file cannot choose colliding keys.
    private static func hash(_ key: String) -> Int {
        var hasher = Hasher()
        var key = key
        key.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        return hasher.finalize() & Int.max
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self.init(elements.map { (key: $0.0, value: $0.1) })
    }
}
