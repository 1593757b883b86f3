import Logging
import MartletJSON

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The format of log lines.
public enum LogFormat: String, Sendable, CaseIterable {
    case text, json
}

/// A log handler with one line per event on standard error, as text or JSON.
public struct LineLog: LogHandler {
    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    private let format: LogFormat
    private let label: String

    public init(label: String, format: LogFormat, level: Logger.Level) {
        self.label = label
        self.format = format
        logLevel = level
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        var line = Array(Self.line(format, event.level, "\(event.message)", all, time: Self.now()).utf8)
        line.append(0x0A)
        // One system call per line, so that lines of several threads do not mix.
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    package static func line(
        _ format: LogFormat, _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, time: String
    ) -> String {
        let fields = metadata.sorted { $0.key < $1.key }
        switch format {
        case .json:
            var object: JSONObject = [
                "time": .string(time), "level": .string(level.rawValue), "message": .string(message),
            ]
            for (key, value) in fields { object[key] = json(value) }
            return JSON.object(object).text()
        case .text:
            let rest = fields.map { " \($0.key)=\(plain("\($0.value)"))" }.joined()
            return "\(time) \(level.rawValue) \(plain(message, quotes: false))\(rest)"
        }
    }

    /// A number remains a number.
    private static func json(_ value: Logger.Metadata.Value) -> JSON {
        let text = "\(value)"
        if case .string = value { return .string(text) }
        if let integer = Int64(text) { return .integer(integer) }
        if let number = Double(text), number.isFinite { return .number(number) }
        return .string(text)
    }

    /// Escapes line breaks, so that a value cannot start a new line.
    private static func plain(_ text: String, quotes: Bool = true) -> String {
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != 0x7F }
        if isPlain && !text.isEmpty { return text }
        if !quotes && text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) { return text }
        return JSON.string(text).text()
    }

    /// The time in UTC, as RFC 3339 with milliseconds.
    private static func now() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var parts = tm()
        gmtime_r(&time.tv_sec, &parts)
        func padded(_ value: some BinaryInteger, _ width: Int) -> String {
            let digits = "\(value)"
            return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
        }
        return
            "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(parts.tm_mday, 2))T"
            + "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))."
            + "\(padded(time.tv_nsec / 1_000_000, 3))Z"
    }
}
