import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Keeps freed buffers for reuse, so that a step which repeats allocates little from its third repetition on.
///
/// Sizes are rounded up to one of four size classes per power of two. This wastes at most a quarter of the address
/// space (untouched memory costs nothing) and makes reuse likely. Live plus cached bytes never exceed the highest live
/// size so far by more than `allowance`: when a request finds no cached buffer, cached buffers of other sizes are
/// released, so that freed activations make room for gradients.
package final class BufferPool: Sendable {
    package static let shared = BufferPool()

    private struct Free {
        /// As addresses, because pointers are not `Sendable`.
        var lists: [[UInt]] = Array(repeating: [], count: 256)
        var cachedByteCount = 0
        /// Bytes in use, and their maximum so far.
        var liveByteCount = 0
        var peakLiveByteCount = 0

        /// Removes cached buffers, the largest first, until live and cached bytes are within the limit.
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

    /// Larger buffers return to the system at once: they are weights and caches, not intermediate results.
    private static let largestCached = 1 << 28
    private static let alignment = 64
    /// Bytes that may be cached beyond the highest live size.
    package static let allowance = 1 << 26
    private static let largePage = 1 << 21

    /// Bytes cached for reuse.
    package var cachedByteCount: Int { free.withLock { $0.cachedByteCount } }
    /// Bytes of live tensors, rounded up to their size classes.
    package var liveByteCount: Int { free.withLock { $0.liveByteCount } }
    /// The maximum of `liveByteCount` so far.
    package var peakLiveByteCount: Int { free.withLock { $0.peakLiveByteCount } }

    /// The smallest size class that holds `byteCount`: its index and its size in bytes.
    static func sizeClass(_ byteCount: Int) -> (index: Int, byteCount: Int) {
        let wanted = max(byteCount, 256)
        let exponent = Int.bitWidth - 1 - (wanted - 1).leadingZeroBitCount
        let quarter = 1 << (exponent - 2)
        let quarters = (wanted + quarter - 1) / quarter
        return (exponent * 4 + quarters - 4, quarters * quarter)
    }

    /// The size of a class in bytes.
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

    /// Counts bytes that came into use, or went out of it, beside the pool's buffers.
    func count(_ byteCount: Int) {
        free.withLock { free in
            free.liveByteCount += byteCount
            free.peakLiveByteCount = max(free.peakLiveByteCount, free.liveByteCount)
        }
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

    /// Buffers of this size or more are allocated with mmap, so that the system gets them back when they are released:
    /// malloc keeps free memory that lies between blocks in use.
    private static let smallestMapped = 1 << 18

    /// Uses huge pages if the buffer is at least two of them long: weights are read from end to end, and with 4 kB
    /// pages each page costs an address translation. Memory beyond `touched` stays on small pages, which are only
    /// allocated when they are used.
    ///
    /// If the system refuses, the cached buffers are released and the allocation is repeated. If it is refused again,
    /// the program ends, as with Swift's own allocations: tensor values have no way to return an allocation error.
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

    /// Zeros from the system, on large pages if they are at least two of them; nil where it gives none.
    static func map(_ size: Int, touched: Int) -> UnsafeMutableRawPointer? {
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
        if size >= smallestMapped {
            unmap(address, size)
        } else {
            UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
        }
    }

    /// Gives back what `map` gave.
    static func unmap(_ address: UInt, _ size: Int) {
        if let pointer = UnsafeMutableRawPointer(bitPattern: address) { munmap(pointer, size) }
    }
}
