#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The bytes under one or more tensors: owned, pooled or mapped from a file. Released with the last tensor.
///
/// Concurrent reads are safe; whoever writes must be alone, as with any buffer.
public final class Storage: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
    public let byteCount: Int
    /// Where the bytes lie: in the memory of the processor.
    public var device: Device { .cpu }
    /// A mapped file must not be written to.
    public let isReadOnly: Bool
    /// How often the contents have been changed in place; tells the tape that what it saved is still there.
    package var version = 0
    private let release: Release

    private enum Release {
        case pool
        case owner(AnyObject)
    }

    /// Uninitialised bytes from the pool, aligned to 64.
    public init(byteCount: Int) {
        self.byteCount = byteCount
        pointer = BufferPool.shared.take(byteCount)
        isReadOnly = false
        release = .pool
    }

    /// Bytes that belong to `owner` (a mapped file, say), which is kept alive.
    public init(borrowing bytes: UnsafeRawBufferPointer, owner: AnyObject, isReadOnly: Bool = true) {
        pointer = UnsafeMutableRawPointer(mutating: bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 64)!)
        byteCount = bytes.count
        self.isReadOnly = isReadOnly
        release = .owner(owner)
    }

    /// The file these bytes are mapped from, when they are.
    package var file: MappedFile? { if case .owner(let owner) = release { owner as? MappedFile } else { nil } }

    /// Tells the system that these bytes of a mapped file will not be read again soon. They stop counting as resident
    /// memory, and come back from the file if they are read after all. Nothing happens to bytes that are not mapped.
    package func evict(_ range: Range<Int>) {
        guard let file, let base = file.bytes.baseAddress else { return }
        let start = UnsafeRawPointer(pointer) - base
        file.release((start + range.lowerBound)..<(start + range.upperBound))
    }

    deinit {
        if case .pool = release { BufferPool.shared.give(pointer, byteCount) }
    }
}
