import MartletFormats
import MartletTensor
import MartletTokenizers

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension TrainedTokenizer {
    /// Whether `write` could write into a folder, asked before time is spent on training; nothing is made.
    package static func checkPlace(_ folder: String) throws(DataError) {
        var place = folder
        while !Folder.exists(place) {
            let parent = AtomicFile.split(place).folder
            if parent == place { break }
            place = parent
        }
        guard Folder.isFolder(place) else { throw DataError(.system, path: place, "is no folder to write into") }
        guard access(place, W_OK) == 0 else { throw DataError(FileError(path: place, doing: "write into the folder")) }
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json`, each whole or not at all, into a folder that is made if need be.
    public func write(to folder: String) throws(DataError) {
        try ShardFolder.makeFolders(folder)
        do throws(FileError) {
            for file in files { try AtomicFile.write("\(folder)/\(file.name)", bytes: file.bytes) }
        } catch {
            throw DataError(error)
        }
    }
}
