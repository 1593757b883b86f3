import MartletJSON

/// Collects bytes up to a marker.
struct TextUntil: Sendable {
    private let marker: [UInt8]
    private var bytes: [UInt8] = []

    init(_ marker: String) { self.marker = Array(marker.utf8) }

    /// Returns the text before the marker when the byte completes it.
    mutating func push(_ byte: UInt8) -> [UInt8]? {
        bytes.append(byte)
        guard byte == marker.last, bytes.count >= marker.count, bytes.suffix(marker.count).elementsEqual(marker) else {
            return nil
        }
        return Array(bytes.dropLast(marker.count))
    }
}

/// Expects one of several markers, after optional white space.
struct MarkerChoice: Sendable {
    private let markers: [[UInt8]]
    private var held: [UInt8] = []
    /// Bytes that may precede the marker besides white space.
    private let skipped: [UInt8]

    init(_ markers: [String], skipping: String = "") {
        self.markers = markers.map { Array($0.utf8) }
        skipped = Array(skipping.utf8)
    }

    enum Result: Equatable { case more, found(Int), failed }

    mutating func push(_ byte: UInt8) -> Result {
        if held.isEmpty, byte.isSpace || skipped.contains(byte) { return .more }
        held.append(byte)
        if let index = markers.firstIndex(of: held) {
            held = []
            return .found(index)
        }
        return markers.contains { $0.starts(with: held) } ? .more : .failed
    }
}

/// Collects the JSON object of a call's arguments.
struct ArgumentText: Sendable {
    private var end = JSONValueEnd()
    private(set) var bytes: [UInt8] = []

    /// Returns `.done` at the last byte of the object.
    mutating func push(_ byte: UInt8) -> CallState {
        if bytes.isEmpty {
            if byte.isSpace { return .more }
            guard byte == UInt8(ascii: "{") else { return .failed }
        }
        bytes.append(byte)
        guard end.push(byte) != .inside else { return .more }
        return (try? JSON(parsing: bytes))?.object == nil ? .failed : .done
    }
}

extension [UInt8] {
    var trimmed: [UInt8] { Array(drop(while: \.isSpace).reversed().drop(while: \.isSpace).reversed()) }
}
