import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One line on standard error that is written over on a terminal; elsewhere a line now and then.
struct StatusLine {
    private var shown: Double
    private var isOpen = false

    /// - Parameter shown: when the line was shown last, in seconds; a time long before 0 shows the first text at once.
    init(shown: Double = 0) { self.shown = shown }

    /// - Parameter isDue: whether the text is worth a line of its own where lines cannot be written over.
    mutating func show(_ text: String, isDue: Bool) {
        if Terminal.errorIsTerminal {
            Terminal.write("\r\u{1B}[K" + text.printable, to: STDERR_FILENO)
            isOpen = true
        } else if isDue {
            Terminal.note(text)
        }
    }

    /// Shows the text unless it is too soon: ten times a second on a terminal, every ten seconds elsewhere.
    mutating func show(_ text: @autoclosure () -> String, after seconds: Double) {
        guard seconds - shown >= (Terminal.errorIsTerminal ? 0.1 : 10) else { return }
        shown = seconds
        show(text(), isDue: true)
    }

    /// Leaves the line as it is and goes to the next.
    mutating func end() { close("\n") }

    /// Takes the line away.
    mutating func clear() { close("\r\u{1B}[K") }

    private mutating func close(_ mark: String) {
        if isOpen { Terminal.write(mark, to: STDERR_FILENO) }
        isOpen = false
    }
}
