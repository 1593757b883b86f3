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

/// The runs in a folder, for programs that watch them: a list, and the new lines of each log.
///
/// ```swift
/// for run in RunFolders(path: "runs").list() { print(run.name, run.isRunning) }
/// ```
public struct RunFolders: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    /// A summary of a run.
    public struct Summary: Sendable {
        public let name: String
        /// The modification time of the log, in seconds since 1970.
        public let modified: Double
        public let isRunning, isStopRequested: Bool
        /// The last step in the log, and the planned number of steps if it limits the run.
        public let step: Int
        public let plannedSteps: Int?
        /// The minutes of training so far, and their planned number if it limits the run.
        public let minutes: Double
        public let plannedMinutes: Double?
        /// The training loss of the last step.
        public let loss: Double?
        /// The loss of the last evaluation on held-out data, if the end of the log has one.
        public let validationLoss: Double?

        /// The last logged step is a little before the end of the last minute.
        public var isFinished: Bool {
            let isDone = plannedSteps.map { step >= $0 } ?? false
            return !isRunning && (isDone || plannedMinutes.map { minutes >= 0.99 * $0 } ?? false)
        }
    }

    /// A part of a log.
    public struct LogPart: Sendable {
        public var lines: [JSON]
        /// The offset at which to continue reading.
        public var offset: Int
        /// The log is shorter than before: discard the lines that were read earlier.
        public var hasRestarted: Bool
        /// More lines are available now.
        public var hasMore: Bool
    }

    /// The bytes of a log that are read at once, and those of its end for a summary.
    private static let partBytes = 1 << 20, endBytes = 64 << 10

    /// Every folder that has a log, by name; or the folder itself if it is a run.
    public func list() -> [Summary] {
        names.compactMap { name in try? summary(name) }
    }

    /// Names of the runs that have a log.
    var names: [String] {
        if Folder.isFile("\(path)/\(RunControl.logName)") { return [ownName] }
        return Folder.contents(path).filter {
            !$0.hasPrefix(".") && Folder.isFile("\(path)/\($0)/\(RunControl.logName)")
        }
    }

    /// Names of the runs that a process trains now, or reads the data for: these have no log yet.
    public func running() -> [String] {
        if Folder.isFile("\(path)/\(RunControl.logName)") { return RunControl.isRunning(path) ? [ownName] : [] }
        return Folder.contents(path).filter { !$0.hasPrefix(".") && RunControl.isRunning("\(path)/\($0)") }
    }

    private var ownName: String { path.split(separator: "/").last.map(String.init) ?? "run" }

    /// The folder of a run.
    /// - Throws: `RunError` for a name that is not that of a run directly below the folder.
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
        let end = try Self.lastLines(file, of: size, bytes: Self.endBytes)
        let last = Self.last("step", in: end)
        // Evaluations are further apart than steps.
        let evaluation =
            try Self.last("evaluation", in: end)
            ?? (size > Self.endBytes
                ? Self.last("evaluation", in: Self.lastLines(file, of: size, bytes: 4 * Self.endBytes)) : nil)
        let time = information.st_mtim
        let options = RunRecord.options(run)
        func number(_ name: String) -> Double? { options.first { $0.name == name }.flatMap { Double($0.value) } }
        let minutes = number("minutes")
        // A run that is limited by minutes has more planned steps than it can reach.
        let steps = number("steps").flatMap { Int(exactly: $0) }
        let isTimed = minutes != nil && (steps ?? .max) >= RunRecord.unboundedSteps
        return Summary(
            name: name, modified: Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9,
            isRunning: RunControl.isRunning(run), isStopRequested: RunControl.isStopRequested(run),
            step: last?["step"]?.integer ?? 0,
            plannedSteps: isTimed ? nil : steps, minutes: (last?["seconds"]?.double ?? 0) / 60, plannedMinutes: minutes,
            loss: last?["loss"]?.double, validationLoss: evaluation?["loss"]?.double)
    }

    /// The lines of a log's end; the first of them may be cut.
    private static func lastLines(_ file: String, of size: Int, bytes count: Int) throws -> [ArraySlice<UInt8>] {
        try bytes(file, from: max(0, size - count), count: count).split(separator: UInt8(ascii: "\n"))
    }

    /// The last line of a kind. Lines begin with their kind, so that the others need not be parsed.
    private static func last(_ kind: String, in lines: [ArraySlice<UInt8>]) -> JSON? {
        let beginning = Array(#"{"kind":"\#(kind)""#.utf8)
        return lines.reversed().lazy.filter { $0.starts(with: beginning) }
            .compactMap { try? JSON(parsing: Array($0)) }
            .first { $0["step"]?.integer != nil }
    }

    public func configuration(_ name: String) throws(RunError) -> [RunRecord.Option] {
        RunRecord.options(try folder(name))
    }

    /// The complete lines of a log from `offset` on, up to a limit of bytes. Lines that are not JSON are left out.
    public func log(_ name: String, from offset: Int) throws -> LogPart {
        let file = "\(try folder(name))/\(RunControl.logName)"
        let size = Folder.byteCount(file)
        let hasRestarted = offset > size
        let start = hasRestarted ? 0 : max(0, offset)
        let bytes = try Self.bytes(file, from: start, count: Self.partBytes)
        guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else {
            // The last line is incomplete. A line longer than the limit was not written by a run and is skipped.
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
