import CKernels

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file mapped read-only, or read whole, for as long as the object lives.
///
/// A mapped file may be written to or cut short by others meanwhile; one that another file takes the name of stays as it
/// is. Bytes that were cut off, or that the disk does not give, read as zero, and `checkUnchanged` tells so: whoever
/// computes with the bytes asks it afterwards.
public final class MappedFile: @unchecked Sendable {
    public let path: String
    /// Valid while the object lives, which a use of `bytes` alone does not see to: hold on to the object, or end
    /// with `withExtendedLifetime`.
    public let bytes: UnsafeRawBufferPointer
    /// The bytes are the process's own: no later change of the file can reach them.
    public let isCopy: Bool
    /// The map, when there is one.
    private let base: UnsafeMutableRawPointer?
    private let allocation: UnsafeMutableRawBufferPointer?
    /// Kept open so that a file cut short later is noticed (`checkUnchanged`); nil for a copy.
    private let input: InputFile?
    /// Notes that zeros were read for bytes that are not there any more (`martlet_mapping.h`).
    private let watch: OpaquePointer?
    /// When the file was last written to before it was opened.
    private let writeTime: timespec

    /// - Parameter copying: reads the file into memory instead of mapping it, for file systems where files may be
    ///   cut short while they are in use.
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

    /// A file that is in memory already: `contents` are copied. `path` is what errors call it.
    public init(path: String, contents: [UInt8]) {
        self.path = path
        // Exactly as many bytes as there are, so that an address sanitizer sees a read past the end.
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

    /// Checks that the bytes are those of the file when it was opened, as far as that shows without reading them: none
    /// of them was missing when it was read, and the file has its length.
    /// - Parameter byTime: also asks that nobody has written to the file since.
    public func checkUnchanged(byTime: Bool = false) throws(FileError) {
        guard let input else { return }
        var status = stat()
        guard fstat(input.descriptor, &status) == 0 else { throw FileError(path: path, doing: "read its size") }
        guard Int(status.st_size) == bytes.count else {
            throw FileError(
                path: path, reason: "has \(status.st_size) bytes, but had \(bytes.count) when it was opened")
        }
        if let watch, martlet_mapping_is_damaged(watch) {
            throw FileError(path: path, reason: "could not be read, or was cut short for a time, while it was in use")
        }
        let time = status.writeTime
        guard !byTime || (time.tv_sec == writeTime.tv_sec && time.tv_nsec == writeTime.tv_nsec) else {
            throw FileError(path: path, reason: "was written to while it was in use")
        }
    }

    /// Tells the system that `range` will not be read again soon, so that it stops counting as resident.
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
