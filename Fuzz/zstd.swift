// floors: System JSON Tensor Formats
// with: unpack
import MartletFormats

/// Unpacks the input as a zstd file.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    unpack(ZstdSource(MemorySource(UnsafeRawBufferPointer(start: start, count: count))))
}
