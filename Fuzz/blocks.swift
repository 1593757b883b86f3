// floors: System JSON Tensor Formats
import MartletFormats

/// Unpacks the input as Snappy, as a block of LZ4 or as a frame of it, as the first byte says, to the size that the next
/// three say.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeRawBufferPointer(start: start, count: count)
    guard count > 4 else { return 0 }
    let size = Int(input[1]) | Int(input[2]) << 8 | Int(input[3]) << 16
    let rest = UnsafeRawBufferPointer(rebasing: input[4...])
    let output: [UInt8]? =
        switch input[0] % 3 {
        case 0: try? SnappyDecoder.decode(rest, size: size)
        case 1: try? LZ4Decoder.decode(rest, size: size)
        default: try? LZ4Decoder.decode(frame: rest, size: size)
        }
    precondition(output == nil || output?.count == size)
    return 0
}
