import MartletTensor

extension Folder {
    /// The whole file as bytes.
    package static func read(_ path: String) throws(FileError) -> [UInt8] {
        let file = try MappedFile(path: path)
        let bytes = withExtendedLifetime(file) { Array(file.bytes) }
        try file.checkUnchanged()
        return bytes
    }
}
