import Martlet
import MartletAPI

/// Whether runs of training may be begun from the Tune page and `/api/tune`, and within what bounds.
public struct TuningSettings: Sendable {
    /// The program that trains, as `martlet`: it is started with arguments, never through a shell.
    public var program: String
    /// The folder whose files may be learnt from.
    public var dataFolder: String
    /// Runs that may train at a time, whoever has begun them.
    public var mostRuns = 1

    public init(program: String, dataFolder: String) {
        self.program = program
        self.dataFolder = dataFolder
    }

    /// - Throws: `ServerError` naming what is not there.
    func check(runsFolder: String?) throws(ServerError) {
        guard runsFolder != nil else {
            throw ServerError("--tune needs a folder for the runs it begins: give --runs FOLDER too")
        }
        guard Folder.isFolder(dataFolder) else {
            throw ServerError("--tune \(dataFolder): there is no such folder; it is to hold the data to learn from")
        }
        guard (1...64).contains(mostRuns) else {
            throw ServerError("--tune-runs is \(mostRuns); expected a number from 1 to 64")
        }
    }

    /// Files that may be learnt from, by their paths below the folder, with their sizes.
    func files() -> [(name: String, bytes: Int)] {
        let forms = ["json", "jsonl", "csv", "tsv", "parquet", "arrow", "txt"]
        return Folder.relativeFiles(dataFolder, depth: 4).filter { path in
            forms.contains { path.lowercased().hasSuffix("." + $0) } && (try? self.path(of: path, "data")) != nil
        }.prefix(500).map { ($0, Folder.byteCount("\(dataFolder)/\($0)")) }
    }

    /// The file or folder that a request names.
    /// - Throws: `APIError` for what is not below the folder, links out of it included.
    func path(of name: String, _ parameter: String) throws(APIError) -> String {
        let missing = APIError(
            status: 404, "There is no file '\(name.shown(limit: 200))' in the server's folder of data.",
            parameter: parameter, code: "data_not_found")
        guard Folder.isPlainRelativePath(name), let folder = Folder.real(dataFolder),
            let path = Folder.real("\(folder)/\(name)"), path.hasPrefix(folder == "/" ? folder : folder + "/"),
            Folder.isFile(path) || Folder.isFolder(path)
        else { throw missing }
        return path
    }
}
