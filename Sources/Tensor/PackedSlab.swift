import Synchronization

/// A piece of memory that packed matrices share, on large pages.
///
/// A token reads every matrix from end to end. One of half a megabyte has no large page to itself, and with pages of 4 kB the
/// processor translates an address and starts to read ahead anew for each of them; so matrices of a model lie one behind the
/// other. The memory goes back to the system with the last of them.
final class PackedSlab: Sendable {
    static let byteCount = 1 << 24
    /// Larger matrices have large pages of their own.
    static let largestShare = byteCount / 4
    private static let alignment = 64

    /// As an address, because pointers are not `Sendable`.
    private let address: UInt

    private struct Open {
        weak var slab: PackedSlab?
        var used = 0
    }
    /// The slab that the next matrix lies in.
    private static let open = Mutex(Open())

    private init(_ pointer: UnsafeMutableRawPointer) { address = UInt(bitPattern: pointer) }

    deinit { BufferPool.unmap(address, Self.byteCount) }

    /// Room for `byteCount` bytes, 64-byte aligned, and the slab to be kept as long as they are used; nil where they are many
    /// or the system gives no memory.
    static func room(for byteCount: Int) -> (UnsafeMutableRawPointer, PackedSlab)? {
        guard byteCount > 0, byteCount <= largestShare else { return nil }
        return open.withLock { open in
            let share = (byteCount + alignment - 1) / alignment * alignment
            var slab = open.slab
            if slab == nil || open.used + share > Self.byteCount {
                guard let pointer = BufferPool.map(Self.byteCount, touched: Self.byteCount) else { return nil }
                slab = PackedSlab(pointer)
                open = Open(slab: slab)
            }
            guard let slab, let start = UnsafeMutableRawPointer(bitPattern: slab.address) else { return nil }
            defer { open.used += share }
            return (start + open.used, slab)
        }
    }
}
