import MartletJSON
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How the steps of a run were computed: by which program, where, when, and from which data. A training process writes
/// one record into the log before its first step, so a resumed run has several.
public struct RunProvenance: Sendable, Equatable {
    /// The number of steps before those that it describes.
    public let step: Int
    public let version, command, machine: String
    /// In UTC, as 2026-11-29T11:05:35Z.
    public let date: String
    /// The fingerprint of the data; nil if the log does not have it.
    public let data: String?

    /// The provenance of this process, now.
    package static func current(after step: Int, data: String?) -> RunProvenance {
        let words = CommandLine.arguments
        let program = words.first?.split(separator: "/").last.map(String.init) ?? "martlet"
        return RunProvenance(
            step: step, version: ProgramVersion.current,
            command: ([program] + words.dropFirst()).map(quoted).joined(separator: " "), machine: Machine.description,
            date: date(of: time(nil)), data: data)
    }

    init(step: Int, version: String, command: String, machine: String, date: String, data: String?) {
        self.step = step
        self.version = version
        self.command = command
        self.machine = machine
        self.date = date
        self.data = data
    }

    /// Parses a line of a log; nil if it has no step.
    init?(_ line: JSON) {
        guard let step = line["step"]?.integer?.narrowed(to: RunRecord.steps) else { return nil }
        func text(_ name: String) -> String { line[name]?.string ?? "" }
        self.init(
            step: step, version: text("version"), command: text("command"), machine: text("machine"),
            date: text("date"), data: line["data"]?.string)
    }

    var json: JSON {
        [
            "kind": "run", "step": .integer(Int64(step)), "date": .string(date), "version": .string(version),
            "command": .string(command), "machine": .string(machine), "data": data.map { .string($0) } ?? .null,
        ]
    }

    /// Text for display, one line for each field.
    var text: String {
        ([date, "martlet " + version, command, machine] + (data.map { [$0] } ?? [])).joined(separator: "\n\n")
    }

    /// The argument quoted for a shell.
    private static func quoted(_ word: String) -> String {
        let plain = word.unicodeScalars.allSatisfy {
            $0.isASCII
                && ($0.properties.isAlphabetic || $0.properties.numericType != nil
                    || "-_=./,:@+%".unicodeScalars.contains($0))
        }
        return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: #"'\''"#) + "'"
    }

    static func date(of seconds: time_t) -> String {
        var seconds = seconds, parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(Int(parts.tm_year) + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour)):"
            + "\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }
}
