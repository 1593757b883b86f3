import CKernels

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file that is mapped read-only, or read into memory, as long as the object exists.
///
/// Other processes may write to a mapped file or truncate it; replacing it by another file of the same name does not
/// affect the mapping. Bytes that were truncated or that cannot be read from disk read as zero, and `checkUnchanged`
/// reports that: call it after computing with the bytes.
///
/// ```swift
/// let file = try MappedFile(path: "model.safetensors")
/// let first = file.bytes.first
/// try file.checkUnchanged()
/// ```
public final class MappedFile: @unchecked Sendable {
    public let path: String
    /// Valid while the object exists. A use of `bytes` alone does not keep the object alive: hold a reference, or use
    /// `withExtendedLifetime`.
    public let bytes: UnsafeRawBufferPointer
    /// Whether the bytes are a private copy, which later changes of the file do not affect.
    public let isCopy: Bool
    /// The address of the mapping, if there is one.
    private let base: UnsafeMutableRawPointer?
    private let allocation: UnsafeMutableRawBufferPointer?
    /// Kept open so that truncation can be detected (`checkUnchanged`); nil for a copy.
    private let input: InputFile?
    /// Records that missing bytes were read as zeros (`martlet_mapping.h`).
    private let watch: OpaquePointer?
    /// The modification time when the file was opened.
    private let writeTime: timespec

    /// - Parameter copying: read the file into memory instead of mapping it, for file systems where files may be
    ///   truncated while they are in use.
    public init(path: String, copying: Bool = false) throws(FileError) {
        let input = try InputFile(path: path)
        var status = stat()
        guard fstat(input.descriptor, &status) == 0 else { throw FileError(path: path, doing: "read its size") }
        let size = Int(status.st_size)
        var mapped: UnsafeMutableRawPointer?
        if size > 0 {
            mapped =
                copying
                ? mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                : mmap(nil, size, PROT_READ, MAP_PRIVATE, input.descriptor, 0)
            guard mapped != MAP_FAILED else { throw FileError(path: path, doing: "map into memory") }
        }
        if copying, let mapped {
            do throws(FileError) {
                let count = try input.read(into: UnsafeMutableRawBufferPointer(start: mapped, count: size), at: 0)
                guard count == size else {
                    throw FileError(path: path, reason: "ended after \(count) of \(size) bytes while it was read")
                }
            } catch {
                munmap(mapped, size)
                throw error
            }
        }
        self.path = path
        base = mapped
        bytes = UnsafeRawBufferPointer(start: mapped, count: size)
        isCopy = copying
        allocation = nil
        self.input = copying ? nil : input
        writeTime = status.writeTime
        watch = copying ? nil : mapped.flatMap { martlet_mapping_watch($0, size, input.descriptor) }
    }

    /// A file whose contents are in memory and are copied. `path` is its name in errors.
    public init(path: String, contents: [UInt8]) {
        self.path = path
        // Exactly as many bytes as needed, so that an address sanitizer detects a read past the end.
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: contents.count, alignment: 64)
        copy.copyBytes(from: contents)
        bytes = UnsafeRawBufferPointer(copy)
        isCopy = true
        base = nil
        input = nil
        allocation = copy
        watch = nil
        writeTime = timespec()
    }

    deinit {
        if let watch { martlet_mapping_unwatch(watch) }
        if let base { munmap(base, bytes.count) }
        allocation?.deallocate()
    }

    /// Checks that the bytes are still those of the file at opening, as far as possible without reading them: no bytes
    /// were missing when they were read, and the length is unchanged.
    /// - Parameter byTime: also check the modification time.
    public func checkUnchanged(byTime: Bool = false) throws(FileError) {
        guard let input else { return }
        var status = stat()
        guard fstat(input.descriptor, &status) == 0 else { throw FileError(path: path, doing: "read its size") }
        guard Int(status.st_size) == bytes.count else {
            throw FileError(
                path: path, reason: "has \(status.st_size) bytes, but had \(bytes.count) when it was opened")
        }
        if let watch, martlet_mapping_is_damaged(watch) {
            throw FileError(path: path, reason: "could not be read, or was truncated for a time, while it was in use")
        }
        let time = status.writeTime
        guard !byTime || (time.tv_sec == writeTime.tv_sec && time.tv_nsec == writeTime.tv_nsec) else {
            throw FileError(path: path, reason: "was written to while it was in use")
        }
    }

    /// Tells the system that `range` will not be read soon, so that its pages can leave memory.
    public func release(_ range: Range<Int>) {
        guard let base, !isCopy else { return }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let first = (range.lowerBound + page - 1) / page * page, last = range.upperBound / page * page
        if last > first { madvise(base + first, last - first, MADV_DONTNEED) }
    }
}

extension stat {
    fileprivate var writeTime: timespec {
        #if canImport(Darwin)
        st_mtimespec
        #else
        st_mtim
        #endif
    }
}
