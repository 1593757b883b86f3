import MartletSystem

/// `report.html`: one file without script or network that shows one run, or compares several.
public struct RunReport {
    public let runs: [RunRecord]
    /// A note that is shown first.
    public let note: String?

    public init(_ runs: [RunRecord], note: String? = nil) {
        self.runs = runs
        self.note = note
        colours = RunColours.colours(of: runs.map(\.name))
    }

    private let colours: [String]

    func color(_ index: Int) -> String { colours[index] }

    public var html: String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(escaped(runs.map(\.name).joined(separator: ", ")))</title>
        <style>
        \(Self.style)
        </style></head><body>
        <h1>\(escaped(runs.map(\.name).joined(separator: " · ")))</h1>
        \(note.map { "<p>\(escaped($0))</p>" } ?? "")
        \(unreadable)
        \(legend)
        \(summary)
        <div class="charts">\(charts)</div>
        \(scores)
        \(evaluations)
        \(samples)
        \(tables)
        \(profiles)
        \(configuration)
        \(provenance)
        </body></html>

        """
    }

    private static let style = """
        :root { color-scheme: light dark; --ink: #1c1917; --pale: #78716c; --line: #e7e5e4; --back: #fff;
                --card: #fafaf9; }
        @media (prefers-color-scheme: dark) {
          :root { --ink: #f5f5f4; --pale: #a8a29e; --line: #44403c; --back: #1c1917; --card: #292524; } }
        body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 1180px;
               margin: 2rem auto; padding: 0 1rem; }
        h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
        .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 1rem;
                  margin-top: 1.5rem; }
        .charts svg { background: var(--card); border-radius: 8px; }
        svg { width: 100%; height: auto; } .grid { stroke: var(--line); } .tick { font-size: 11px; fill: var(--pale); }
        .title { font-size: 13px; fill: var(--ink); font-weight: 600; }
        .wide { overflow-x: auto; } table { border-collapse: collapse; }
        td, th { padding: .2rem .9rem .2rem 0; text-align: left; border-bottom: 1px solid var(--line);
                 font-variant-numeric: tabular-nums; vertical-align: top; }
        td.number, th.number { text-align: right; } td:first-child { white-space: nowrap; }
        .texts td { white-space: pre-wrap; min-width: 6rem; max-width: 28rem; overflow-wrap: anywhere; font-size: 13px; }
        .command { font: 13px/1.4 ui-monospace, monospace; }
        pre { white-space: pre-wrap; margin: 0; font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
        .sample { background: var(--card); border-radius: 8px; padding: .5rem .8rem; margin: .5rem 0; }
        .sample .prompt { color: var(--pale); border-left: 3px solid var(--line); padding-left: .6rem;
                          margin-bottom: .4rem; }
        .sample b, .key, .origin { color: var(--pale); font-weight: 400; } .differs { font-weight: 700; }
        .origin { font-size: 13px; }
        @media (max-width: 600px) { .charts .tick { font-size: 13px; } .charts .title { font-size: 17px; } }
        @media print { body { max-width: none; margin: 0; } .wide { overflow: visible; } .texts td { min-width: 0; }
          svg, tr, .sample { break-inside: avoid; } h2 { break-after: avoid; } * { print-color-adjust: exact; } }
        summary { cursor: pointer; color: var(--pale); margin: .5rem 0; }
        """

    private var unreadable: String {
        runs.filter { !$0.unreadableLines.isEmpty }.map { run in
            let count = run.unreadableLines.count, first = run.unreadableLines[0]
            return "<p>\(escaped(run.name)): \(count) line\(count == 1 ? "" : "s") of log.jsonl could not be read and "
                + "\(count == 1 ? "is" : "are") left out, the first is line \(first).</p>"
        }.joined()
    }

    private var legend: String {
        guard runs.count > 1 else { return "" }
        let marks = runs.enumerated().map { index, run in
            "<span style=\"color:\(color(index))\">■</span> \(escaped(run.name))"
        }
        return "<p>" + marks.joined(separator: " &nbsp; ") + "</p>"
    }

    private var summary: String {
        var table = HTMLTable([
            "run", "#steps", "#minutes", "#training loss", "#validation loss", "#lowest", "#bits per byte", "#tokens/s",
            "#share of peak", "#memory",
        ])
        for run in runs {
            let last = run.steps.last, held = run.evaluations.last
            let lowest = run.evaluations.min { $0.loss < $1.loss }
            table.add([
                run.name, last.map { String($0.step) }, decimal(last.map { $0.seconds / 60 }, 1),
                decimal(last?.loss, 4),
                decimal(held?.loss, 4), lowest.map { "\(decimal($0.loss, 4) ?? "") at \($0.step)" },
                decimal(held?.bitsPerByte, 4), decimal(median(run.steps.map(\.tokensPerSecond)), 0),
                decimal(median(run.steps.compactMap(\.peakShare)).map { $0 * 100 }, 1).map { $0 + " %" },
                decimal(run.steps.compactMap(\.peakMemory).max().map { $0 / 1e6 }, 1).map { $0 + " MB" },
            ])
        }
        return table.html
    }

    private func median(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.sorted()[values.count / 2]
    }
}

/// A number as text; nil without a number.
func decimal(_ value: Double?, _ decimals: Int) -> String? {
    guard let value, value.isFinite else { return nil }
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    guard abs(value * scale) < 1e15 else { return "\(value)" }
    let whole = Int(clamping: (value * scale).rounded()), digits = String(abs(whole))
    let sign = whole < 0 ? "-" : ""
    guard decimals > 0 else { return sign + digits }
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    return sign + padded.dropLast(decimals) + "." + padded.suffix(decimals)
}

/// A table of rows of cells. Cell texts are escaped.
struct HTMLTable {
    private let isNumber: [Bool]
    private var rows: String

    /// Columns whose names begin with "#" contain numbers.
    init(_ columns: [String]) {
        isNumber = columns.map { $0.hasPrefix("#") }
        rows = ""
        let cells = columns.enumerated().map { index, name in
            "<th\(isNumber[index] ? " class=\"number\"" : "")>\(escaped(isNumber[index] ? String(name.dropFirst()) : name))</th>"
        }
        rows = "<tr>" + cells.joined() + "</tr>"
    }

    /// - Parameter classes: CSS classes of the cells, by column.
    mutating func add(_ cells: [String?], classes: [Int: String] = [:]) {
        rows += "<tr>"
        for (index, cell) in cells.enumerated() {
            let name = [isNumber[index] ? "number" : nil, classes[index]].compactMap { $0 }.joined(separator: " ")
            rows += "<td\(name.isEmpty ? "" : " class=\"\(name)\"")>\(cell.map(escaped) ?? "–")</td>"
        }
        rows += "</tr>"
    }

    var html: String { "<div class=\"wide\"><table>\(rows)</table></div>" }
}
