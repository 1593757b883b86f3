// floors: System JSON Tensor Formats
// with: unpack
import MartletFormats

/// Unpacks the input as a gzip file.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    unpack(GzipSource(MemorySource(UnsafeRawBufferPointer(start: start, count: count))))
}
