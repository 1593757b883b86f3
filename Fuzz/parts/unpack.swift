import MartletFormats

/// Reads what a decompressor makes of the input, up to 64 MB, in stretches of odd lengths.
func unpack(_ source: any ByteSource) -> CInt {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 50_021, alignment: 16)
    defer { buffer.deallocate() }
    var total = 0
    while total < 1 << 26 {
        let wanted = 1 + total % buffer.count
        guard let count = try? source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])), count > 0
        else { break }
        precondition(count <= wanted)
        total += count
    }
    return 0
}
