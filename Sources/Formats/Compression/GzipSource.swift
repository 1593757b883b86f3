/// Decompresses gzip files, including several members, each checked against its checksum and length. Source: RFC 1952.
package final class GzipSource: ByteSource {
    private var input: BufferedInput
    private var member: InflateSource?
    private var checksum = CyclicChecksum()
    private var length: UInt32 = 0
    private var isFirst = true

    package init(_ source: any ByteSource) { input = BufferedInput(source) }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(DecompressionError) -> Int {
        guard !buffer.isEmpty else { return 0 }
        while true {
            if member == nil {
                guard try header() else { return 0 }
                member = InflateSource(input)
            }
            guard let member else { return 0 }
            let count = try member.read(into: buffer)
            if count > 0 {
                checksum.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                length &+= UInt32(truncatingIfNeeded: count)
                return count
            }
            input = member.rest()
            self.member = nil
            guard try input.number(4) == UInt64(checksum.value) else { throw .malformed("the checksum is another") }
            guard try input.number(4) == UInt64(length) else { throw .malformed("the length is another") }
        }
    }

    /// Returns false if no member follows. Zero padding after the last member is skipped.
    private func header() throws(DecompressionError) -> Bool {
        var first = try input.byte()
        if !isFirst { while first == 0 { first = try input.byte() } }
        guard let first else {
            if isFirst { throw .truncated }
            return false
        }
        guard first == 0x1f, try input.requiredByte() == 0x8b else {
            throw .malformed(isFirst ? "this is not a gzip file" : "the data after a member are not a gzip member")
        }
        isFirst = false
        guard try input.requiredByte() == 8 else { throw .unsupported("the gzip file is not compressed by deflate") }
        let flags = try input.requiredByte()
        guard flags & 0xe0 == 0 else { throw .malformed("reserved flags of gzip are set") }
        try input.skip(6)
        if flags & 4 != 0 { try input.skip(Int(try input.number(2))) }
        for flag: UInt8 in [8, 16] where flags & flag != 0 { while try input.requiredByte() != 0 {} }
        if flags & 2 != 0 { try input.skip(2) }
        checksum = CyclicChecksum()
        length = 0
        return true
    }
}
