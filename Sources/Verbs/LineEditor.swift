/// Reads messages from a terminal with the usual keys: arrows, Home, End, history, word and line deletion, and pasted
/// text of several lines.
///
/// Where standard input is no terminal, plain lines are read.
struct LineEditor {
    private var history: [String] = []
    private var keys = KeyReader()

    /// The next message without its end, or nil at the end of input (Ctrl-D on an empty line).
    mutating func read(prompt: String) -> String? {
        guard Terminal.inputIsTerminal else { return readLine() }
        Terminal.rawInput()
        Terminal.show(Self.pasteOn)
        defer {
            Terminal.show(Self.pasteOff)
            // Not the original mode: keys typed ahead in between must stay unprocessed.
            Terminal.quietInput()
        }
        var line = EditedLine(prompt: prompt)
        var recalled = history.count
        var draft = ""
        line.draw()
        while true {
            let key = keys.next()
            switch key {
            case .enter:
                line.leave()
                let text = line.text
                if !text.isEmpty, history.last != text { history.append(text) }
                return text
            case .end where line.isEmpty:
                line.leave()
                return nil
            case .interrupt:
                // As in a shell: an interrupt clears the line; on an empty one it leaves.
                line.leave(showing: "^C")
                if line.isEmpty { return nil }
                line = EditedLine(prompt: prompt)
                recalled = history.count
                line.draw()
            case .up where line.isOnFirstLine:
                guard recalled > 0 else { break }
                if recalled == history.count { draft = line.text }
                recalled -= 1
                line.replace(history[recalled])
            case .down where line.isOnLastLine:
                guard recalled < history.count else { break }
                recalled += 1
                line.replace(recalled == history.count ? draft : history[recalled])
            case .closed:
                line.leave()
                return line.isEmpty ? nil : line.text
            default: line.apply(key)
            }
        }
    }

    /// Asks the terminal to mark pasted text, so that its line ends do not send it in pieces.
    private static let pasteOn = "\u{1B}[?2004h"
    private static let pasteOff = "\u{1B}[?2004l"
}
