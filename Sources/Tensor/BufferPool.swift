import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Keeps freed buffers for the next taker, so that a step which repeats allocates little after its second round.
///
/// Sizes are rounded up to one of four steps per power of two, which wastes at most a quarter of the addresses (memory
/// that is never touched costs nothing) and makes reuse likely. What is in use and what is kept together never exceed
/// the most that was once in use by more than `allowance`: a buffer that is not at hand takes the place of kept ones
/// of other sizes, so activations let go make room for gradients.
package final class BufferPool: Sendable {
    package static let shared = BufferPool()

    private struct Free {
        /// Addresses, since pointers are not `Sendable`.
        var lists: [[UInt]] = Array(repeating: [], count: 256)
        var cachedByteCount = 0
        /// Bytes taken and not given back, and the most there ever were.
        var liveByteCount = 0
        var peakLiveByteCount = 0

        /// Takes buffers out, the largest first, until those in use and those kept are within the limit.
        mutating func makeRoom() -> [(address: UInt, byteCount: Int)] {
            let limit = peakLiveByteCount + BufferPool.allowance
            var removed: [(UInt, Int)] = []
            for index in lists.indices.reversed() {
                while liveByteCount + cachedByteCount > limit, let address = lists[index].popLast() {
                    cachedByteCount -= BufferPool.byteCount(ofClass: index)
                    removed.append((address, BufferPool.byteCount(ofClass: index)))
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
    /// Kept beyond what was once in use.
    private static let allowance = 1 << 26
    private static let largePage = 1 << 21

    /// Bytes held for reuse.
    package var cachedByteCount: Int { free.withLock { $0.cachedByteCount } }
    /// Bytes under tensors that are alive, in the sizes of their classes.
    package var liveByteCount: Int { free.withLock { $0.liveByteCount } }
    /// The most bytes that were ever under tensors at a time.
    package var peakLiveByteCount: Int { free.withLock { $0.peakLiveByteCount } }

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
        let (cached, removed) = free.withLock { free -> (UInt?, [(address: UInt, byteCount: Int)]) in
            free.liveByteCount += size
            free.peakLiveByteCount = max(free.peakLiveByteCount, free.liveByteCount)
            guard let address = free.lists[index].popLast() else { return (nil, free.makeRoom()) }
            free.cachedByteCount -= size
            return (address, [])
        }
        for (address, byteCount) in removed { Self.release(address, byteCount) }
        return cached.flatMap(UnsafeMutableRawPointer.init(bitPattern:)) ?? allocate(size, touched: byteCount)
    }

    package func give(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
        let (index, size) = Self.sizeClass(byteCount)
        let address = UInt(bitPattern: pointer), isKept = size <= Self.largestCached
        free.withLock { free in
            free.liveByteCount -= size
            guard isKept else { return }
            free.lists[index].append(address)
            free.cachedByteCount += size
        }
        if !isKept { Self.release(address, size) }
    }

    /// Returns every cached buffer to the system.
    package func empty() {
        let lists = free.withLock { free in
            let lists = free.lists
            let (live, peak) = (free.liveByteCount, free.peakLiveByteCount)
            free = Free()
            (free.liveByteCount, free.peakLiveByteCount) = (live, peak)
            return lists
        }
        for (index, addresses) in lists.enumerated() {
            for address in addresses { Self.release(address, Self.byteCount(ofClass: index)) }
        }
    }

    // MARK: - The system's memory

    /// Buffers from this size on are mapped, so that the system has them back when they are released: an allocator keeps
    /// what lies between blocks in use.
    private static let smallestMapped = 1 << 18

    /// Whole large pages where there is room for two: weights are read from end to end, and with small pages every 4 kB
    /// costs a translation. What is beyond `touched` lies on small pages, of which only those are taken that are used.
    ///
    /// Where the system refuses, the buffers kept for reuse go back to it first. What is refused then as well ends the
    /// program as Swift's own allocation does: tensors are values, whose operations have no error to give.
    private func allocate(_ size: Int, touched: Int) -> UnsafeMutableRawPointer {
        guard size >= Self.smallestMapped else {
            return UnsafeMutableRawPointer.allocate(byteCount: size, alignment: Self.alignment)
        }
        if let pointer = Self.map(size, touched: touched) { return pointer }
        empty()
        guard let pointer = Self.map(size, touched: touched) else {
            fatalError("no memory for a buffer of \(size) bytes")
        }
        return pointer
    }

    private static func map(_ size: Int, touched: Int) -> UnsafeMutableRawPointer? {
        let isLarge = size >= 2 * largePage, spare = isLarge ? largePage : 0
        guard let start = mmap(nil, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0),
            start != MAP_FAILED
        else { return nil }
        guard isLarge else { return start }
        let before = (largePage - Int(bitPattern: start) % largePage) % largePage
        let pointer = start + before
        if before > 0 { munmap(start, before) }
        if spare > before { munmap(pointer + size, spare - before) }
        #if os(Linux)
        madvise(pointer, touched / largePage * largePage, Int32(MADV_HUGEPAGE))
        #endif
        return pointer
    }

    private static func release(_ address: UInt, _ size: Int) {
        guard let pointer = UnsafeMutableRawPointer(bitPattern: address) else { return }
        if size >= smallestMapped {
            munmap(pointer, size)
        } else {
            pointer.deallocate()
        }
    }
}
