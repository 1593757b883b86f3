/// A zip archive of stored members. Archives above 4 GiB would need zip64 and are refused.
struct ZipWriter {
    private var bytes: [UInt8] = []
    private var directory: [UInt8] = []
    private var count = 0

    mutating func add(_ name: String, _ data: [UInt8]) throws(FormatError) {
        let offset = bytes.count
        guard offset + data.count < 0xffff_0000, count < 0xffff, name.utf8.count < 0xffff else {
            throw FormatError(.malformed, path: name, "the archive would exceed 4 GiB or 65535 members")
        }
        let checksum = Int(CyclicChecksum.of(data))
        // Version 2.0, no flags, stored, 1 January 1980.
        let common =
            Self.two(20) + Self.two(0x0800) + Self.two(0) + Self.two(0) + Self.two(0x21)
            + Self.four(checksum) + Self.four(data.count) + Self.four(data.count) + Self.two(name.utf8.count)
            + Self.two(0)
        bytes += Self.four(0x0403_4b50) + common + Array(name.utf8) + data
        directory +=
            Self.four(0x0201_4b50) + Self.two(20) + common + Self.two(0) + Self.two(0) + Self.two(0)
            + Self.four(0) + Self.four(offset) + Array(name.utf8)
        count += 1
    }

    func finish() throws(FormatError) -> [UInt8] {
        bytes + directory + Self.four(0x0605_4b50) + Self.four(0) + Self.two(count) + Self.two(count)
            + Self.four(directory.count) + Self.four(bytes.count) + Self.two(0)
    }

    private static func two(_ value: Int) -> [UInt8] { [UInt8(value & 0xff), UInt8(value >> 8 & 0xff)] }
    private static func four(_ value: Int) -> [UInt8] { two(value & 0xffff) + two(value >> 16) }
}
