import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Keeps freed buffers for the next taker, so that a step which repeats allocates nothing after its second round.
///
/// Sizes are rounded up to one of four steps per power of two, which wastes at most a quarter and makes reuse likely.
/// No more is kept than was once in use at a time, so that work whose sizes change from step to step (replies of other
/// lengths, say) does not gather buffers of every size there ever was.
package final class BufferPool: Sendable {
    package static let shared = BufferPool()

    private struct Free {
        /// Addresses, since pointers are not `Sendable`.
        var lists: [[UInt]] = Array(repeating: [], count: 256)
        var cachedByteCount = 0
        /// Bytes taken and not given back, and the most there ever were.
        var liveByteCount = 0
        var peakLiveByteCount = 0

        /// Takes buffers out, of other classes than `kept` and the largest first, until `size` more may be kept.
        mutating func makeRoom(for size: Int, keeping kept: Int) -> [UInt] {
            let limit = max(BufferPool.smallestLimit, peakLiveByteCount)
            var removed: [UInt] = []
            for index in lists.indices.reversed() where index != kept {
                while cachedByteCount + size > limit, let address = lists[index].popLast() {
                    cachedByteCount -= BufferPool.byteCount(ofClass: index)
                    removed.append(address)
                }
            }
            return removed
        }
    }
    private let free = Mutex(Free())

    package init() {}

    /// Buffers larger than this go back to the system at once: they are weights and caches, not intermediates.
    private static let largestCached = 1 << 28
    private static let alignment = 64
    /// So much is always kept.
    private static let smallestLimit = 1 << 26

    /// Bytes held for reuse.
    package var cachedByteCount: Int { free.withLock { $0.cachedByteCount } }
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

    /// The size of a class.
    static func byteCount(ofClass index: Int) -> Int { (index % 4 + 4) << (index / 4 - 2) }

    package func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
        let (index, size) = Self.sizeClass(byteCount)
        let cached = free.withLock { free -> UInt? in
            free.liveByteCount += size
            free.peakLiveByteCount = max(free.peakLiveByteCount, free.liveByteCount)
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

    package func give(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        let (index, size) = Self.sizeClass(byteCount)
        guard size <= Self.largestCached else {
            free.withLock { $0.liveByteCount -= size }
            pointer.deallocate()
            return
        }
        let address = UInt(bitPattern: pointer)
        let removed = free.withLock { free in
            free.liveByteCount -= size
            let removed = free.makeRoom(for: size, keeping: index)
            free.lists[index].append(address)
            free.cachedByteCount += size
            return removed
        }
        for address in removed { UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
    }

    /// Returns every cached buffer to the system.
    package func empty() {
        let addresses = free.withLock { free -> [UInt] in
            let all = free.lists.flatMap { $0 }
            let (live, peak) = (free.liveByteCount, free.peakLiveByteCount)
            free = Free()
            (free.liveByteCount, free.peakLiveByteCount) = (live, peak)
            return all
        }
        for address in addresses { UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
    }
}
