import Dispatch
import MartletSystem
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One line on standard error that is written over on a terminal; elsewhere whole lines now and then.
///
/// It is cut to the terminal's width, so that it never takes a second row, and follows the width when the window is
/// resized. Notes go above it.
package struct StatusLine {
    private var shown: Double
    /// Of what was shown last with a count, how many tenths were done.
    private var tenths = -1

    /// - Parameter shown: when the line was shown last, in seconds; a time long before 0 shows the first text at once.
    package init(shown: Double = 0) { self.shown = shown }

    /// - Parameter isDue: whether the text deserves its own line if lines cannot be overwritten.
    package mutating func show(_ text: String, isDue: Bool) {
        if Terminal.errorIsTerminal { StatusBoard.show(text) } else if isDue { Terminal.note(text) }
    }

    /// Shows how far something is: each time on a terminal, for every tenth elsewhere.
    package mutating func show(_ text: String, _ done: Int, of total: Int) {
        let now = total > 0 ? Int(10 * Double(done) / Double(total)) : 0
        show(text, isDue: now != tenths)
        tenths = now
    }

    /// Shows the text unless it is too soon: ten times a second on a terminal, every ten seconds elsewhere.
    package mutating func show(_ text: @autoclosure () -> String, after seconds: Double) {
        guard seconds - shown >= (Terminal.errorIsTerminal ? 0.1 : 10) else { return }
        shown = seconds
        show(text(), isDue: true)
    }

    /// Keeps the line and moves to the next.
    package mutating func end() { StatusBoard.close(keepsLine: true) }

    /// Removes the line.
    package mutating func clear() { StatusBoard.close(keepsLine: false) }
}

/// The content of the terminal's last row, if it is a status line. There is one for the process, so that notes and
/// several lines do not run into each other.
enum StatusBoard {
    private struct State {
        /// Nil where no line is open.
        var text: String?
        /// Columns the text took when it was drawn, and those the terminal had.
        var drawn = 0
        var columns = 0
        var watch: (any DispatchSourceTimer)?
    }
    private static let state = Mutex(State())

    static func show(_ text: String) {
        state.withLock { state in
            let isNew = state.text == nil
            state.text = Terminal.showsUnicode ? text.printable : text.printable.inASCII
            draw(&state)
            if isNew { watch(&state) }
        }
    }

    static func close(keepsLine: Bool) {
        state.withLock { state in
            guard state.text != nil else { return }
            if keepsLine {
                draw(&state)
                Terminal.write("\n", to: STDERR_FILENO)
            } else {
                Terminal.write(erasing(state), to: STDERR_FILENO)
            }
            state.watch?.cancel()
            state = State()
        }
    }

    /// Writes whole lines above the status line.
    static func above(_ lines: String) {
        state.withLock { state in
            guard state.text != nil else {
                _ = Terminal.write(lines, to: STDERR_FILENO)
                return
            }
            Terminal.write(erasing(state) + lines, to: STDERR_FILENO)
            state.drawn = 0
            draw(&state)
        }
    }

    private static func draw(_ state: inout State) {
        guard let text = state.text else { return }
        let columns = Terminal.errorColumns
        // In the last column a cursor can stand in two states.
        let line = text.fitting(columns - 1)
        Terminal.write(erasing(state) + line, to: STDERR_FILENO)
        state.drawn = line.columns
        state.columns = columns
    }

    /// Erases what was drawn; if the window has become narrower, the terminal has wrapped it into several rows.
    private static func erasing(_ state: State) -> String {
        let now = Terminal.errorColumns
        guard now < state.columns, state.drawn > now else { return "\r\u{1B}[K" }
        return "\r\u{1B}[\((state.drawn - 1) / now)A\u{1B}[J"
    }

    /// Redraws when the window's width changes, even before the next text. The width is polled, which needs no signal
    /// handler: a library must not install one.
    private static func watch(_ state: inout State) {
        let timer = DispatchSource.makeTimerSource(queue: .global(qos: .utility))
        timer.schedule(deadline: .now() + 0.2, repeating: 0.2)
        timer.setEventHandler {
            Self.state.withLock { state in
                if state.text != nil, state.columns != Terminal.errorColumns { draw(&state) }
            }
        }
        timer.resume()
        state.watch = timer
    }
}

extension String {
    /// Columns it takes in a terminal.
    package var columns: Int { reduce(0) { $0 + $1.columns } }

    /// Its beginning, in so many columns at most; where something is left out, it ends with "…".
    package func fitting(_ limit: Int) -> String {
        guard columns > limit else { return self }
        let mark = Terminal.showsUnicode ? "…" : "..."
        guard limit > mark.count else { return String(mark.prefix(max(limit, 0))) }
        var result = "", width = 0
        for character in self {
            guard width + character.columns <= limit - mark.count else { break }
            result.append(character)
            width += character.columns
        }
        return result + mark
    }

    /// Where the locale has no UTF-8: the signs of the program's own texts in ASCII; other text stays as it is.
    package var inASCII: String {
        guard utf8.contains(where: { $0 >= 0x80 }) else { return self }
        let signs: [Character: String] = [
            "…": "...", "“": "\"", "”": "\"", "„": "\"", "‘": "'", "’": "'", "→": "->", "·": "-", "×": "x", "−": "-",
            "–": "-", "—": "--", "█": "#", "░": ".", "⏎": "\\n", "≤": "<=", "≥": ">=", "∞": "inf", "∑": "sum",
        ]
        return map { signs[$0] ?? String($0) }.joined()
    }
}
