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
        /// Addresses, since pointers are not `Sendable`.
        var lists: [[UInt]] = Array(repeating: [], count: 256)
        var cachedByteCount = 0
        /// Bytes taken and not given back.
        var liveByteCount = 0
    }
    private let free = Mutex(Free())

    /// Buffers larger than this go back to the system at once: they are weights and caches, not intermediates.
    private static let largestCached = 1 << 28
    private static let alignment = 64

    /// Bytes held for reuse.
    var cachedByteCount: Int { free.withLock { $0.cachedByteCount } }
    /// Bytes under tensors that are alive, in the sizes of their classes.
    var liveByteCount: Int { free.withLock { $0.liveByteCount } }

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
        let cached = free.withLock { free -> UInt? in
            free.liveByteCount += size
            guard let address = free.lists[index].popLast() else { return nil }
            free.cachedByteCount -= size
            return address
        }
        return cached.flatMap(UnsafeMutableRawPointer.init(bitPattern:))
            ?? Self.allocate(size)
    }

    /// Large buffers ask for large pages: weights are read from end to end, and with small pages every 4 kB costs a
    /// translation.
    private static func allocate(_ size: Int) -> UnsafeMutableRawPointer {
        let largePage = 1 << 21
        guard size >= 2 * largePage else {
            return UnsafeMutableRawPointer.allocate(byteCount: size, alignment: alignment)
        }
        let pointer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: largePage)
        #if os(Linux)
        madvise(pointer, size, Int32(MADV_HUGEPAGE))
        #endif
        return pointer
    }

    func give(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        let (index, size) = Self.sizeClass(byteCount)
        guard size <= Self.largestCached else {
            free.withLock { $0.liveByteCount -= size }
            pointer.deallocate()
            return
        }
        let address = UInt(bitPattern: pointer)
        free.withLock { free in
            free.liveByteCount -= size
            free.lists[index].append(address)
            free.cachedByteCount += size
        }
    }

    /// Returns every cached buffer to the system.
    func empty() {
        let addresses = free.withLock { free -> [UInt] in
            let all = free.lists.flatMap { $0 }
            let live = free.liveByteCount
            free = Free()
            free.liveByteCount = live
            return all
        }
        for address in addresses { UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
    }
}
