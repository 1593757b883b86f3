import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Keeps freed buffers for the next taker, so that a step which repeats allocates nothing after its second round.
///
/// Sizes are rounded up to one of four steps per power of two, which wastes at most a quarter and makes reuse likely.
final class BufferPool: Sendable {
    static let shared = BufferPool()

    private struct Free {
        var lists: [[UnsafeMutableRawPointer]] = Array(repeating: [], count: 256)
        var cachedByteCount = 0
    }
    private let free = Mutex(Free())

    /// Buffers larger than this go back to the system at once: they are weights and caches, not intermediates.
    private static let largestCached = 1 << 28
    private static let alignment = 64

    /// Bytes held for reuse.
    var cachedByteCount: Int { free.withLock { $0.cachedByteCount } }

    /// The smallest class that holds `byteCount`: its number and its size.
    static func sizeClass(_ byteCount: Int) -> (index: Int, byteCount: Int) {
        let wanted = max(byteCount, 256)
        let exponent = Int.bitWidth - 1 - (wanted - 1).leadingZeroBitCount
        let quarter = 1 << (exponent - 2)
        let quarters = (wanted + quarter - 1) / quarter
        return (exponent * 4 + quarters - 4, quarters * quarter)
    }

    func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
        let (index, size) = Self.sizeClass(byteCount)
        let cached = free.withLock { free -> UnsafeMutableRawPointer? in
            guard let pointer = free.lists[index].popLast() else { return nil }
            free.cachedByteCount -= size
            return pointer
        }
        return cached ?? UnsafeMutableRawPointer.allocate(byteCount: size, alignment: Self.alignment)
    }

    func give(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        let (index, size) = Self.sizeClass(byteCount)
        guard size <= Self.largestCached else {
            pointer.deallocate()
            return
        }
        free.withLock { free in
            free.lists[index].append(pointer)
            free.cachedByteCount += size
        }
    }

    /// Returns every cached buffer to the system.
    func empty() {
        let pointers = free.withLock { free -> [UnsafeMutableRawPointer] in
            let all = free.lists.flatMap { $0 }
            free = Free()
            return all
        }
        for pointer in pointers { pointer.deallocate() }
    }
}
