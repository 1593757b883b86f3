extension String {
    /// The text in one line of a terminal: ⏎ between its lines, of which empty ones are left out.
    var inOneLine: String { split(whereSeparator: \.isNewline).joined(separator: " ⏎ ") }
}
