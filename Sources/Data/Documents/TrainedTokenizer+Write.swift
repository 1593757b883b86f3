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
    /// Checks that `write` can write into a folder, before time is spent on training. Creates nothing.
    package static func checkPlace(_ folder: String) throws(DataError) {
        var place = folder
        while !Folder.exists(place) {
            let parent = AtomicFile.split(place).folder
            if parent == place { break }
            place = parent
        }
        guard Folder.isFolder(place) else { throw DataError(.system, path: place, "is not a folder to write into") }
        guard access(place, W_OK) == 0 else { throw DataError(FileError(path: place, writingIn: place)) }
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json` into a folder, which is created if necessary. Each file is
    /// written completely or not at all.
    public func write(to folder: String) throws(DataError) {
        try ShardFolder.makeFolders(folder)
        do throws(FileError) {
            for file in files { try AtomicFile.write("\(folder)/\(file.name)", bytes: file.bytes) }
        } catch {
            throw DataError(error)
        }
    }
}
