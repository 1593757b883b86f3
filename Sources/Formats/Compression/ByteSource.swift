import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Why compressed data could not be decompressed.
package enum DecompressionError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The data end too early.
    case truncated
    /// The data violate the format; the sentence says how.
    case malformed(String)
    /// Valid data of a kind that is not supported, or that needs more memory than allowed.
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

/// A stream of bytes: a file, memory, or the output of a decompressor.
package protocol ByteSource: AnyObject {
    /// Reads at least one byte into the buffer, unless the stream has ended, and returns the number of bytes.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(DecompressionError) -> Int
}

/// Reads a file from its start.
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

/// Reads bytes in memory, which the caller keeps alive.
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
    /// Reads everything; throws if there are not exactly `count` bytes.
    package func readAll(count: Int) throws(DecompressionError) -> [UInt8] {
        let bytes = try readAll(limit: count)
        guard bytes.count == count else {
            throw .malformed("they unpack to \(bytes.count) bytes, expected \(count)")
        }
        return bytes
    }

    /// Reads everything, up to `limit` bytes. Memory grows with the actual data, not with a claimed size.
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

/// A buffered source, for formats whose headers are read byte by byte.
package struct BufferedInput {
    /// The last bytes read are kept before the new ones, so that a bit reader can return unused whole bytes.
    private static let history = 8

    private let source: any ByteSource
    let buffer: UnsafeMutableRawBufferPointer
    /// The position of the first unread byte in the buffer.
    var position = history
    var end = history
    private let owner: Owner

    /// Frees the buffer with the last copy of the struct.
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

    /// Reads more if everything has been consumed. Returns false at the end.
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

    /// The next byte; throws at the end.
    package mutating func requiredByte() throws(DecompressionError) -> UInt8 {
        guard let byte = try byte() else { throw .truncated }
        return byte
    }

    /// A little-endian number of `count` bytes; throws at the end.
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
