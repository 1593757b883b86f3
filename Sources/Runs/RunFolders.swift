import MartletFormats
import MartletJSON
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The runs in a folder, as something that watches them reads them: a list, and of each log what is new.
public struct RunFolders: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    /// A run at a glance.
    public struct Summary: Sendable {
        public let name: String
        /// When its log was last written to, in seconds since 1970.
        public let modified: Double
        public let isRunning, isStopRequested: Bool
        /// The last step in its log, and how many were planned, where they bound the run.
        public let step: Int
        public let plannedSteps: Int?
        /// Of training up to then, and at most, where they bound the run.
        public let minutes: Double
        public let plannedMinutes: Double?
        /// Training loss of the last step.
        public let loss: Double?

        /// The last step that is logged comes a little before the last minute is over.
        public var isFinished: Bool {
            let isDone = plannedSteps.map { step >= $0 } ?? false
            return !isRunning && (isDone || plannedMinutes.map { minutes >= 0.99 * $0 } ?? false)
        }
    }

    /// A part of a log.
    public struct LogPart: Sendable {
        public var lines: [JSON]
        /// Where to read on.
        public var offset: Int
        /// The log is shorter than it was: what came before is to be forgotten.
        public var hasRestarted: Bool
        /// There is more to read at once.
        public var hasMore: Bool
    }

    /// Bytes read of a log at once, and of its end for a summary.
    private static let partBytes = 1 << 20, endBytes = 64 << 10

    /// Every folder with a log, by name; the folder itself where it is a run.
    public func list() -> [Summary] {
        names.compactMap { name in try? summary(name) }
    }

    private var names: [String] {
        if Folder.isFile("\(path)/\(RunControl.logName)") { return [ownName] }
        return Folder.contents(path).filter {
            !$0.hasPrefix(".") && Folder.isFile("\(path)/\($0)/\(RunControl.logName)")
        }
    }

    private var ownName: String { path.split(separator: "/").last.map(String.init) ?? "run" }

    /// The folder of a run.
    /// - Throws: `RunError` for a name that is no run directly below the folder.
    public func folder(_ name: String) throws(RunError) -> String {
        guard Folder.isPlainName(name), names.contains(name) else {
            throw RunError("there is no run called \"\(name.prefix(200))\"")
        }
        return Folder.isFile("\(path)/\(RunControl.logName)") ? path : "\(path)/\(name)"
    }

    public func summary(_ name: String) throws -> Summary {
        let run = try folder(name), file = "\(run)/\(RunControl.logName)"
        var information = stat()
        guard stat(file, &information) == 0 else { throw RunError("\(file) cannot be read") }
        let size = Int(information.st_size)
        let end = try Self.bytes(file, from: max(0, size - Self.endBytes), count: Self.endBytes)
        let last = end.split(separator: UInt8(ascii: "\n")).reversed().lazy
            .compactMap { try? JSON(parsing: Array($0)) }
            .first { $0["kind"]?.string == "step" && $0["step"]?.integer != nil }
        let time = information.st_mtim
        let options = RunRecord.options(run)
        func number(_ name: String) -> Double? { options.first { $0.name == name }.flatMap { Double($0.value) } }
        let minutes = number("minutes")
        // A run of minutes has more steps planned than anybody waits for.
        let steps = number("steps").flatMap { Int(exactly: $0) }
        let isTimed = minutes != nil && (steps ?? .max) >= RunRecord.unboundedSteps
        return Summary(
            name: name, modified: Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9,
            isRunning: RunControl.isRunning(run), isStopRequested: RunControl.isStopRequested(run),
            step: last?["step"]?.integer ?? 0,
            plannedSteps: isTimed ? nil : steps, minutes: (last?["seconds"]?.double ?? 0) / 60, plannedMinutes: minutes,
            loss: last?["loss"]?.double)
    }

    public func configuration(_ name: String) throws(RunError) -> [RunRecord.Option] {
        RunRecord.options(try folder(name))
    }

    /// The whole lines of a log from `offset` on, a part of it at a time. Lines that are no JSON are left out.
    public func log(_ name: String, from offset: Int) throws -> LogPart {
        let file = "\(try folder(name))/\(RunControl.logName)"
        let size = Folder.byteCount(file)
        let hasRestarted = offset > size
        let start = hasRestarted ? 0 : max(0, offset)
        let bytes = try Self.bytes(file, from: start, count: Self.partBytes)
        guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else {
            // Half a line at the end of the log; a line longer than a part is none of ours and is passed over.
            let skipped = bytes.count == Self.partBytes ? bytes.count : 0
            return LogPart(lines: [], offset: start + skipped, hasRestarted: hasRestarted, hasMore: skipped > 0)
        }
        let lines = bytes[..<end].split(separator: UInt8(ascii: "\n")).compactMap { try? JSON(parsing: Array($0)) }
        return LogPart(
            lines: lines, offset: start + end + 1, hasRestarted: hasRestarted, hasMore: bytes.count == Self.partBytes)
    }

    private static func bytes(_ file: String, from start: Int, count: Int) throws -> [UInt8] {
        let log: InputFile
        do throws(FileError) { log = try InputFile(path: file) } catch {
            throw RunError(error.description)
        }
        var failure: FileError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            do throws(FileError) {
                filled = try log.read(into: UnsafeMutableRawBufferPointer(buffer), at: start)
            } catch {
                failure = error
            }
        }
        if let failure { throw RunError(failure.description) }
        return bytes
    }
}
