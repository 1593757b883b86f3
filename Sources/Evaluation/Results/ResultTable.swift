/// The table that an evaluation prints: a line for every task, filter and metric, with its error.
public enum ResultTable {
    /// As Markdown, its columns aligned.
    public static func text(_ results: [TaskResult]) -> String {
        var rows = [["Tasks", "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr"]]
        for result in results {
            var name = String(repeating: " ", count: result.depth) + (result.depth > 0 ? "- " : "") + result.alias
            let scores = result.scores.sorted {
                ($0.metric, $0.filter) < ($1.metric, $1.filter)
            }
            if scores.isEmpty { rows.append([name, result.version.pythonText, "", "", "", "", "", "", ""]) }
            for score in scores {
                rows.append([
                    name, result.version.pythonText, score.filter, String(result.shotCount), score.metric,
                    score.isHigherBetter ? "↑" : "↓", fixed(score.value), "±",
                    score.standardError.map(fixed) ?? "N/A",
                ])
                name = ""
            }
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            "|"
                + zip(cells, widths).enumerated().map { index, cell in
                    let space = String(repeating: " ", count: cell.1 - cell.0.count)
                    return index == 3 || index == 6 || index == 8 ? space + cell.0 : cell.0 + space
                }.joined(separator: "|") + "|"
        }
        let rule = "|" + widths.map { String(repeating: "-", count: $0) }.joined(separator: "|") + "|"
        return ([line(rows[0]), rule] + rows.dropFirst().map(line)).joined(separator: "\n")
    }

    /// Four decimals.
    static func fixed(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        let scaled = Int64((abs(value) * 10_000).rounded())
        let digits = String(scaled % 10_000)
        return (value < 0 && scaled > 0 ? "-" : "") + String(scaled / 10_000) + "."
            + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
