#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The bytes of one or more tensors: owned, pooled or mapped from a file. Freed with the last tensor.
///
/// Concurrent reads are safe; a write must not run concurrently with any other access.
public final class Storage: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
    public let byteCount: Int
    /// Where the bytes are: in processor memory.
    public var device: Device { .cpu }
    /// Whether writes are forbidden, as for a mapped file.
    public let isReadOnly: Bool
    /// The number of in-place changes; the tape uses it to detect that a saved tensor was modified.
    package var version = 0
    private let release: Release

    private enum Release {
        case pool
        case slab(PackedSlab)
        case owner(AnyObject)
    }

    /// Uninitialised bytes from the pool, 64-byte aligned.
    public init(byteCount: Int) {
        self.byteCount = byteCount
        pointer = BufferPool.shared.take(byteCount)
        isReadOnly = false
        release = .pool
    }

    /// Uninitialised bytes for a packed matrix, beside those of others where they are few.
    init(packed byteCount: Int) {
        self.byteCount = byteCount
        isReadOnly = false
        if let (room, slab) = PackedSlab.room(for: byteCount) {
            pointer = room
            release = .slab(slab)
            BufferPool.shared.count(byteCount)
        } else {
            pointer = BufferPool.shared.take(byteCount)
            release = .pool
        }
    }

    /// Bytes that belong to `owner` (for example a mapped file), which is kept alive.
    public init(borrowing bytes: UnsafeRawBufferPointer, owner: AnyObject, isReadOnly: Bool = true) {
        pointer = UnsafeMutableRawPointer(mutating: bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 64)!)
        byteCount = bytes.count
        self.isReadOnly = isReadOnly
        release = .owner(owner)
    }

    /// The mapped file that contains these bytes, if any.
    package var file: MappedFile? { if case .owner(let owner) = release { owner as? MappedFile } else { nil } }

    /// Tells the system that these bytes of a mapped file will not be read again soon. They no longer count as resident
    /// memory, and are read from the file again when they are accessed. No effect on other storage.
    package func evict(_ range: Range<Int>) {
        guard let file, let base = file.bytes.baseAddress else { return }
        let start = UnsafeRawPointer(pointer) - base
        file.release((start + range.lowerBound)..<(start + range.upperBound))
    }

    deinit {
        switch release {
        case .pool: BufferPool.shared.give(pointer, byteCount)
        case .slab: BufferPool.shared.count(-byteCount)
        case .owner: break
        }
    }
}
