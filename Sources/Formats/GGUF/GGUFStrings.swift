/// The strings of a metadata array (for example a vocabulary), read in place.
///
/// They are bytes: a token may be part of a character. The subscript returns text, with U+FFFD for invalid UTF-8.
public struct GGUFStrings: RandomAccessCollection, @unchecked Sendable {
    private let bytes: UnsafeRawBufferPointer
    private let owner: AnyObject
    /// The start of each string's bytes, and one more entry: the end of the last string plus 8.
    private let starts: [Int]

    init(count: Int, bytes: UnsafeRawBufferPointer, owner: AnyObject) {
        self.bytes = bytes
        self.owner = owner
        starts = [Int](unsafeUninitializedCapacity: count + 1) { buffer, initialized in
            var position = 0
            for index in 0..<count {
                // Checked when the file was opened.
                let length = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                position += 8
                buffer.initializeElement(at: index, to: position)
                position += Int(truncatingIfNeeded: UInt64(littleEndian: length))
            }
            buffer.initializeElement(at: count, to: position + 8)
            initialized = count + 1
        }
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { starts.count - 1 }
    public subscript(index: Int) -> String {
        withBytes(at: index) { String(decoding: $0, as: UTF8.self) }
    }

    private func range(_ index: Int) -> Range<Int> { starts[index]..<starts[index + 1] - 8 }

    public func bytes(at index: Int) -> [UInt8] { withBytes(at: index) { Array($0) } }

    public func withBytes<Result>(at index: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try body(UnsafeRawBufferPointer(rebasing: bytes[range(index)]))
    }

    /// All strings concatenated, and their offsets; the last offset is the end. Two allocations, however many strings
    /// there are.
    public func flat() -> (bytes: [UInt8], offsets: [Int]) {
        let total = (starts[starts.count - 1]) - 8 * starts.count
        var offsets: [Int] = []
        offsets.reserveCapacity(starts.count)
        let packed = [UInt8](unsafeUninitializedCapacity: total) { buffer, initialized in
            let target = UnsafeMutableRawBufferPointer(buffer)
            var position = 0
            for index in 0..<count {
                let range = range(index)
                offsets.append(position)
                if !range.isEmpty {
                    UnsafeMutableRawBufferPointer(rebasing: target[position...]).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: bytes[range]))
                }
                position += range.count
            }
            offsets.append(position)
            initialized = position
        }
        return (packed, offsets)
    }
}
