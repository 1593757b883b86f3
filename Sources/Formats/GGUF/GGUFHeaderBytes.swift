import MartletSystem
import MartletTensor

/// The part of a GGUF file before its tensors, in memory of the process's own.
///
/// A file may be written over while it is read. Lengths that are checked and then read again would be two different
/// numbers, and texts stop being the UTF-8 they were checked to be, so everything is read from this copy. How far it
/// reaches follows from one walk over the file, which believes nothing but bounds.
final class GGUFHeaderBytes: Sendable {
    /// Valid while the object lives.
    nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

    init(_ file: UnsafeRawBufferPointer) {
        var walk = Walk(bytes: file)
        walk.header()
        // Beyond what the walk could read is what is wrong with the file: the parser finds the same.
        let count = min(file.count, walk.position.adding(clamped: 64))
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
        copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: file[..<count]))
        bytes = UnsafeRawBufferPointer(copy)
    }

    deinit { bytes.deallocate() }

    /// Goes over the header as far as it is sound. Each member returns false where it is not.
    private struct Walk {
        let bytes: UnsafeRawBufferPointer
        var position = 0

        mutating func number<T: FixedWidthInteger>(_: T.Type) -> T? {
            guard bytes.count - position >= MemoryLayout<T>.size else { return nil }
            defer { position += MemoryLayout<T>.size }
            return T(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: T.self))
        }

        /// Passes over `count` things of `size` bytes.
        mutating func skip(_ count: UInt64, _ size: Int) -> Bool {
            guard count <= UInt64((bytes.count - position) / size) else { return false }
            position += Int(count) * size
            return true
        }

        mutating func header() {
            guard skip(8, 1), let tensors = number(UInt64.self), let keys = number(UInt64.self) else { return }
            // Each turn takes bytes or ends, so no count makes this long.
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
