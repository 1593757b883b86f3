import Foundation

/// A folder that goes away with the test: a suite has one as a property, and each test an instance of the suite.
final class RunScratch: Sendable {
    let path = NSTemporaryDirectory() + "martlet-runs-" + UUID().uuidString

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A new folder in it.
    func folder(_ name: String = UUID().uuidString) throws -> String {
        try FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
        return "\(path)/\(name)"
    }

    /// A new folder with the log of a run.
    func run(_ log: String, _ name: String = UUID().uuidString) throws -> String {
        let folder = try folder(name)
        try Data(log.utf8).write(to: URL(fileURLWithPath: folder + "/log.jsonl"))
        return folder
    }
}
