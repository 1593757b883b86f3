import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Why compressed data could not be unpacked.
package enum DecompressionError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The data end too early.
    case truncated
    /// The data break a rule of the format; the sentence says which.
    case malformed(String)
    /// Sound data of a kind that is not read, or that asks for more memory than is allowed.
    case unsupported(String)
    /// The file could not be read.
    case system(FileError)

    package var description: String {
        switch self {
        case .truncated: "the compressed data end too early"
        case .malformed(let reason): "the compressed data are broken: \(reason)"
        case .unsupported(let reason): reason
        case .system(let error): error.reason
        }
    }
}

/// Bytes that come one stretch after another: a file, memory, or what a decompressor makes of another source.
package protocol ByteSource: AnyObject {
    /// Puts at least one byte at the buffer's start, unless there are no more, and says how many.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(DecompressionError) -> Int
}

/// A file read from its beginning.
package final class FileSource: ByteSource {
    private let file: InputFile
    /// Bytes read so far.
    package private(set) var position = 0

    package init(path: String) throws(DecompressionError) {
        do throws(FileError) { file = try InputFile(path: path) } catch { throw .system(error) }
        #if os(Linux)
        posix_fadvise(file.descriptor, 0, 0, Int32(POSIX_FADV_SEQUENTIAL))
        #endif
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(DecompressionError) -> Int {
        do throws(FileError) {
            let count = try file.read(into: buffer)
            position += count
            return count
        } catch {
            throw .system(error)
        }
    }
}

/// Bytes in memory, which the caller keeps alive.
package final class MemorySource: ByteSource {
    private var rest: Slice<UnsafeRawBufferPointer>

    package init(_ bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(DecompressionError) -> Int {
        let count = min(buffer.count, rest.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest.prefix(count)))
        rest = rest.dropFirst(count)
        return count
    }
}

extension ByteSource {
    /// Everything, when it has exactly `count` bytes.
    package func readAll(count: Int) throws(DecompressionError) -> [UInt8] {
        let bytes = try readAll(limit: count)
        guard bytes.count == count else {
            throw .malformed("they unpack to \(bytes.count) bytes, expected \(count)")
        }
        return bytes
    }

    /// Everything, up to `limit` bytes. Memory grows with what there is, not with what is claimed.
    package func readAll(limit: Int) throws(DecompressionError) -> [UInt8] {
        var bytes: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = try read(into: buffer)
            if count == 0 { return bytes }
            guard count <= limit - bytes.count else { throw .malformed("they unpack to more than \(limit) bytes") }
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }
}

/// A source behind a buffer, for formats whose headers are read byte by byte.
package struct BufferedInput {
    /// The last bytes taken stay before what is new, so that whoever read bits ahead can hand whole bytes back.
    private static let history = 8

    private let source: any ByteSource
    let buffer: UnsafeMutableRawBufferPointer
    /// What of the buffer has not been taken.
    var position = history
    var end = history
    private let owner: Owner

    /// Frees the buffer when the last copy of the struct goes.
    private final class Owner {
        let buffer: UnsafeMutableRawBufferPointer
        init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }
        deinit { buffer.deallocate() }
    }

    package init(_ source: any ByteSource, capacity: Int = 1 << 16) {
        self.source = source
        buffer = .allocate(byteCount: Self.history + capacity, alignment: 16)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        owner = Owner(buffer)
    }

    /// Reads more when everything was taken. False at the end.
    package mutating func refill() throws(DecompressionError) -> Bool {
        if position < end { return true }
        let fresh = UnsafeMutableRawBufferPointer(rebasing: buffer[Self.history...])
        if end > Self.history {
            let last = buffer.loadUnaligned(fromByteOffset: end - Self.history, as: UInt64.self)
            buffer.storeBytes(of: last, as: UInt64.self)
        }
        position = Self.history
        end = Self.history
        end += try source.read(into: fresh)
        return end > position
    }

    package mutating func byte() throws(DecompressionError) -> UInt8? {
        guard try refill() else { return nil }
        defer { position += 1 }
        return buffer[position]
    }

    /// A byte that must be there.
    package mutating func requiredByte() throws(DecompressionError) -> UInt8 {
        guard let byte = try byte() else { throw .truncated }
        return byte
    }

    /// A little-endian number of `count` bytes that must be there.
    package mutating func number(_ count: Int) throws(DecompressionError) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(try requiredByte()) << UInt64(8 * index) }
        return value
    }

    package mutating func copy(into target: UnsafeMutableRawBufferPointer) throws(DecompressionError) {
        var done = 0
        while done < target.count {
            guard try refill() else { throw .truncated }
            let count = min(end - position, target.count - done)
            UnsafeMutableRawBufferPointer(rebasing: target[done..<done + count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[position..<position + count]))
            position += count
            done += count
        }
    }

    package mutating func skip(_ count: Int) throws(DecompressionError) {
        var rest = count
        while rest > 0 {
            guard try refill() else { throw .truncated }
            let step = min(end - position, rest)
            position += step
            rest -= step
        }
    }
}
