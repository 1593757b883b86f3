// floors: System JSON Patterns Jinja Tensor Formats Tokenizers Grammar Chat Data
// with: bytes table
// seeds: Tests/DataTests/Goldens/tables
// longest: 16384
import MartletData

/// Opens the input as a Parquet file and reads all of its rows.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    read(try? TableRecords(parquet: inputFile(start, count)))
}
