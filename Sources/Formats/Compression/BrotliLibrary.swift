#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Decompresses Brotli (RFC 7932) with the system's library, if it is installed. The format needs a dictionary of 120
/// kB, so Martlet has no decoder of its own.
package enum BrotliLibrary {
    /// `BrotliDecoderResult BrotliDecoderDecompress(size_t, const uint8_t*, size_t*, uint8_t*)`; 1 is success.
    private typealias Decompress =
        @convention(c) (
            Int, UnsafePointer<UInt8>?, UnsafeMutablePointer<Int>?, UnsafeMutablePointer<UInt8>?
        ) -> Int32

    private static let decompress: Decompress? = {
        for name in ["libbrotlidec.so.1", "libbrotlidec.so", "libbrotlidec.1.dylib", "libbrotlidec.dylib"] {
            guard let library = dlopen(name, RTLD_NOW | RTLD_LOCAL) else { continue }
            if let symbol = dlsym(library, "BrotliDecoderDecompress") {
                return unsafeBitCast(symbol, to: Decompress.self)
            }
        }
        return nil
    }()

    package static var isInstalled: Bool { decompress != nil }

    /// - Parameter size: the decompressed size stated by the container, which has checked it against a limit.
    package static func decode(_ input: UnsafeRawBufferPointer, size: Int) throws(DecompressionError) -> [UInt8] {
        guard let decompress else {
            throw .unsupported(
                "the data are compressed by Brotli, but its library libbrotlidec is not installed (Debian: libbrotli1). "
                    + "Install it, or write the file with another compression, such as zstd")
        }
        var isSound = false
        let output = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            var produced = size
            isSound =
                decompress(
                    input.count, input.baseAddress?.assumingMemoryBound(to: UInt8.self), &produced,
                    buffer.baseAddress) == 1
                && produced == size
            count = isSound ? size : 0
        }
        guard isSound else { throw .malformed("Brotli data are broken, or do not unpack to \(size) bytes") }
        return output
    }
}
