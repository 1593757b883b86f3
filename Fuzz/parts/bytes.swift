import MartletTensor

/// The input as a file in memory, exactly as long as it is, so that a read behind its end is seen.
func inputFile(_ start: UnsafePointer<UInt8>, _ count: Int) -> MappedFile {
    MappedFile(path: "input", contents: Array(UnsafeBufferPointer(start: start, count: count)))
}
