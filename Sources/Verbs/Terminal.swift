import MartletCatalog
import MartletSystem
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Output for people: notes on standard error, progress, colours if enabled.
package enum Terminal {
    /// A terminal that lines can be written over on: TERM=dumb says that it is none.
    package static let errorIsTerminal = isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb"
    package static let inputIsTerminal = isatty(STDIN_FILENO) == 1
    package static let outputIsTerminal = isatty(STDOUT_FILENO) == 1

    /// Whether the locale has more than ASCII. It is asked for what goes to a terminal only: files are UTF-8.
    package static let showsUnicode: Bool = {
        // The first of them that is set counts, as setlocale(3) has it.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap(environment).first { !$0.isEmpty } ?? "C"
        let name = locale.lowercased()
        return !errorIsTerminal || name.contains("utf-8") || name.contains("utf8")
    }()

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// Why standard output could not be written; 0 where it could.
    private static let failure = Atomic<Int32>(0)

    /// Why the output is incomplete, after everything has been printed; nil if it is complete, or if its reader has ended
    /// early, which is no error.
    package static var outputProblem: String? {
        let flushed = fflush(nil) == 0
        let flushError = errno
        var code = failure.load(ordering: .relaxed)
        if code == 0, !flushed { code = flushError }
        guard code != 0, code != EPIPE else { return nil }
        var descriptor = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        let isGone = poll(&descriptor, 1, 0) > 0 && descriptor.revents & Int16(POLLERR) != 0
        return isGone ? nil : String(cString: strerror(code))
    }

    /// Writes a line to standard error. It may contain text from files, so control characters other than line feeds and
    /// tabs are made visible.
    /// - Parameter isDim: grey on a terminal that shows colours.
    package static func note(_ text: String, isDim: Bool = false) {
        let printable = text.printable, text = showsUnicode ? printable : printable.inASCII
        StatusBoard.above((isDim ? dim(text) : text) + "\n")
    }

    /// Writes text to standard output immediately, without waiting for a line break. False if the reader has closed the
    /// pipe.
    @discardableResult
    package static func show(_ text: String) -> Bool { write(text, to: STDOUT_FILENO) }

    @discardableResult
    package static func write(_ text: String, to descriptor: Int32) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let written = UnsafeBufferPointer(rebasing: rest).withMemoryRebound(to: UInt8.self) {
                    Glibc.write(descriptor, $0.baseAddress, $0.count)
                }
                if written < 0 {
                    if errno == EINTR { continue }
                    if descriptor == STDOUT_FILENO { failure.store(errno, ordering: .relaxed) }
                    return false
                }
                rest = rest.dropFirst(written)
            }
            return true
        }
    }

    /// Grey on a terminal that shows colours.
    private static func dim(_ text: String) -> String {
        // https://no-color.org: an empty value means nothing.
        return errorIsTerminal && (environment("NO_COLOR") ?? "").isEmpty ? "\u{1B}[2m\(text)\u{1B}[0m" : text
    }

    /// The largest resident size this process has had, in bytes.
    package static var peakMemory: Int { ProcessMemory.peak }

    /// "98.4 MB": powers of ten, as disks and downloads are sold.
    package static func bytes(_ count: Int) -> String {
        var value = Double(count)
        for unit in ["B", "kB", "MB", "GB"] {
            if value < 1000 { return unit == "B" ? "\(count) B" : "\(fixed(value, 1)) \(unit)" }
            value /= 1000
        }
        return "\(fixed(value, 1)) TB"
    }

    /// A number with so many decimals.
    package static func fixed(_ value: Double, _ decimals: Int) -> String {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        // Beyond 2^53 there are no decimals to show.
        guard value.isFinite, abs(value) * scale < 0x1p53 else { return "\(value)" }
        let scaled = (abs(value) * scale).rounded()
        let whole = Int(scaled / scale), part = Int(scaled - Double(whole) * scale)
        let digits = String(part)
        let text =
            decimals == 0 ? "\(whole)" : "\(whole).\(String(repeating: "0", count: decimals - digits.count))\(digits)"
        return value < 0 && scaled > 0 ? "-" + text : text
    }

    /// A number with so many digits that count, whatever its size: "0.005963", "1.25e-07".
    package static func significant(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite, value != 0 else { return "\(value)" }
        var bound = 1.0
        for _ in 0..<digits { bound *= 10 }
        var whole = abs(value), power = 0
        while whole >= bound { (whole, power) = (whole / 10, power + 1) }
        while whole < bound / 10 { (whole, power) = (whole * 10, power - 1) }
        // Reading the digits gives the number whose shortest description they are.
        let rounded = Double("\(Int(whole.rounded()))e\(power)") ?? abs(value)
        return "\(value < 0 ? -rounded : rounded)"
    }
}

extension Terminal {
    /// Columns of the terminal that results go to, 80 where it does not tell.
    package static var columns: Int { columns(of: STDOUT_FILENO) }

    /// Columns of the terminal that notes go to.
    package static var errorColumns: Int { columns(of: STDERR_FILENO) }

    private static func columns(of descriptor: Int32) -> Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// The terminal's settings before the program changed them; set once, before anything can be interrupted.
    private static let original: termios? = {
        var mode = termios()
        return inputIsTerminal && tcgetattr(STDIN_FILENO, &mode) == 0 ? mode : nil
    }()

    /// Raw mode: keys are delivered one by one, without echo and without signals.
    package static func rawInput() { change(ICANON | ECHO | ISIG) }

    /// Keys typed ahead are kept unprocessed, without echo into the reply; Ctrl-C sends its signal.
    package static func quietInput() { change(ICANON | ECHO) }

    package static func restoreInput() {
        guard var mode = original else { return }
        tcsetattr(STDIN_FILENO, TCSADRAIN, &mode)
    }

    private static func change(_ off: Int32) {
        guard var mode = original else { return }
        mode.c_lflag &= ~tcflag_t(off)
        // Line ends arrive as they were typed or pasted.
        mode.c_iflag &= ~tcflag_t(ICRNL)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &mode)
    }
}
