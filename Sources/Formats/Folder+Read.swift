import MartletSystem

extension Folder {
    /// The whole file as bytes; throws if it has more than `limit` bytes.
    package static func read(_ path: String, limit: Int = 1 << 30) throws(FileError) -> [UInt8] {
        try InputFile.bytes(path, limit: limit)
    }
}
