import MartletFormats
import MartletSystem

/// Decompression of pages. Source: apache/parquet-format, Compression.md.
enum ParquetCodec {
    /// The maximum page size; writers make pages of about a megabyte.
    static let largestPage = 1 << 30

    /// The maximum decompressed size accepted for `packed` bytes. Deflate and Zstandard can exceed it for constant
    /// data, but no page of text is like that.
    static func largestSize(packed: Int) -> Int {
        min(largestPage, max(1 << 26, packed.multiplied(clampedBy: 256)))
    }

    static func unpack(
        _ bytes: UnsafeRawBufferPointer, codec: Int, size: Int
    ) throws(DecompressionError) -> [UInt8] {
        guard size >= 0, size <= largestSize(packed: bytes.count) else {
            throw .unsupported("a page claims to unpack from \(bytes.count) bytes to \(size)")
        }
        switch codec {
        case 0:
            guard bytes.count == size else {
                throw .malformed("a page has \(bytes.count) bytes, expected \(size)")
            }
            return Array(bytes)
        case 1: return try SnappyDecoder.decode(bytes, size: size)
        case 2: return try GzipSource(MemorySource(bytes)).readAll(count: size)
        case 4: return try BrotliLibrary.decode(bytes, size: size)
        case 5: return try hadoop(bytes, size)
        case 6: return try ZstdSource(MemorySource(bytes)).readAll(count: size)
        case 7: return try LZ4Decoder.decode(bytes, size: size)
        default:
            throw .unsupported(
                "pages are compressed by \(codec == 3 ? "LZO" : "codec \(codec)"); read are Snappy, gzip, Brotli, LZ4, "
                    + "Zstandard and none")
        }
    }

    /// The older LZ4 framing of Hadoop: blocks, each prefixed by its uncompressed and compressed size. Some writers
    /// omitted the sizes.
    private static func hadoop(_ bytes: UnsafeRawBufferPointer, _ size: Int) throws(DecompressionError) -> [UInt8] {
        var output: [UInt8] = []
        var place = 0
        while bytes.count - place >= 8 {
            let sizes = bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            let unpacked = Int(UInt64(bigEndian: sizes) >> 32), packed = Int(UInt64(bigEndian: sizes) & 0xffff_ffff)
            guard packed <= bytes.count - place - 8, unpacked <= size - output.count,
                let part = try? LZ4Decoder.decode(
                    UnsafeRawBufferPointer(rebasing: bytes[place + 8..<place + 8 + packed]), size: unpacked)
            else { break }
            output += part
            place += 8 + packed
        }
        if place == bytes.count, output.count == size { return output }
        return try LZ4Decoder.decode(bytes, size: size)
    }
}
