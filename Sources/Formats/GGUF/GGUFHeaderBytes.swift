import MartletSystem
import MartletTensor

/// A private copy of the part of a GGUF file before its tensors.
///
/// A file may be overwritten while it is read. A length could then differ between its check and its use, and a text
/// that was checked to be UTF-8 could change; so everything is read from this copy. Its size is found by one pass over
/// the file that trusts only bounds.
final class GGUFHeaderBytes: Sendable {
    /// Valid while the object exists.
    nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

    init(_ file: UnsafeRawBufferPointer) {
        var walk = Walk(bytes: file)
        walk.header()
        // If the pass stops early the file is invalid; the parser reports the same problem.
        let count = min(file.count, walk.position.adding(clamped: 64))
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
        copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: file[..<count]))
        bytes = UnsafeRawBufferPointer(copy)
    }

    deinit { bytes.deallocate() }

    /// Traverses the header as long as it is valid. Each method returns false otherwise.
    private struct Walk {
        let bytes: UnsafeRawBufferPointer
        var position = 0

        mutating func number<T: FixedWidthInteger>(_: T.Type) -> T? {
            guard bytes.count - position >= MemoryLayout<T>.size else { return nil }
            defer { position += MemoryLayout<T>.size }
            return T(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: T.self))
        }

        /// Skips `count` elements of `size` bytes.
        mutating func skip(_ count: UInt64, _ size: Int) -> Bool {
            guard count <= UInt64((bytes.count - position) / size) else { return false }
            position += Int(count) * size
            return true
        }

        mutating func header() {
            guard skip(8, 1), let tensors = number(UInt64.self), let keys = number(UInt64.self) else { return }
            // Each iteration consumes bytes or ends, so a large count does not make this slow.
            var done: UInt64 = 0
            while done < keys {
                guard string(limit: GGUFLimits.keyByteCount), value() else { return }
                done += 1
            }
            done = 0
            while done < tensors {
                guard string(limit: GGUFLimits.keyByteCount), let rank = number(UInt32.self),
                    rank <= GGUFLimits.dimensions, skip(UInt64(rank), 8), skip(12, 1)
                else { return }
                done += 1
            }
        }

        mutating func string(limit: Int) -> Bool {
            guard let count = number(UInt64.self), count <= UInt64(limit) else { return false }
            return skip(count, 1)
        }

        mutating func value() -> Bool {
            guard let type = number(UInt32.self).flatMap(GGUFValueType.init) else { return false }
            if let size = type.byteCount { return skip(1, size) }
            return type == .string ? string(limit: GGUFLimits.stringByteCount) : array(depth: 1)
        }

        mutating func array(depth: Int) -> Bool {
            guard depth <= GGUFLimits.arrayDepth, let type = number(UInt32.self).flatMap(GGUFValueType.init),
                let count = number(UInt64.self)
            else { return false }
            if let size = type.byteCount { return skip(count, size) }
            var done: UInt64 = 0
            while done < count {
                guard type == .string ? string(limit: GGUFLimits.stringByteCount) : array(depth: depth + 1) else {
                    return false
                }
                done += 1
            }
            return true
        }
    }
}
