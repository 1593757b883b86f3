import MartletJSON
import MartletSystem

extension StepProfile {
    /// The rows as text, of one step on average, with the peak of memory below.
    public var table: String {
        let perStep = Double(max(steps, 1))
        var lines: [[String]] = [
            ["operation", "phase", "calls", "ms", "% time", "GFLOP", "% peak", "MB", "GB/s"]
        ]
        for row in rows {
            let hasOperations = row.operations > 0
            lines.append([
                row.operation, row.phase, String(row.calls / max(steps, 1)), fixed(row.seconds / perStep * 1e3, 2),
                fixed(100 * row.seconds / seconds, 1),
                hasOperations ? fixed(row.operations / perStep * 1e-9, 2) : "",
                hasOperations ? fixed(100 * row.operationsPerSecond / machinePeak, 0) : "",
                row.bytes > 0 ? fixed(row.bytes / perStep * 1e-6, 1) : "",
                row.bytes > 0 ? fixed(row.bytesPerSecond * 1e-9, 1) : "",
            ])
        }
        lines.append([
            "other", "", "", fixed(otherSeconds / perStep * 1e3, 2), fixed(100 * otherSeconds / seconds, 1), "", "", "",
            "",
        ])
        lines.append([
            "step", "", "", fixed(seconds / perStep * 1e3, 2), "100.0", fixed(operations / perStep * 1e-9, 2),
            fixed(100 * peakShare, 0), "", "",
        ])
        let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        var text = ""
        for line in lines {
            let cells = line.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return column < 2 ? cell + space : space + cell
            }
            text += cells.joined(separator: "  ") + "\n"
        }
        let kinds = peakKinds.map { "\(fixed(Double($0.bytes) * 1e-6, 1)) MB of \($0.kind)" }.joined(separator: ", ")
        text += "most alive: \(fixed(Double(peakBytes) * 1e-6, 1)) MB" + (kinds.isEmpty ? "" : ": " + kinds) + "\n"
        return text
    }

    /// The same as an object.
    public var json: JSON {
        [
            "steps": .integer(Int64(steps)), "seconds": .number(seconds), "other_seconds": .number(otherSeconds),
            "peak_share": .number(peakShare), "machine_operations_per_second": .number(machinePeak),
            "peak_bytes": .integer(Int64(peakBytes)),
            "peak_bytes_by_kind": .object(
                JSONObject(peakKinds.map { ($0.kind, .integer(Int64($0.bytes))) })),
            "operations": .array(
                rows.map { row in
                    [
                        "operation": .string(row.operation), "phase": .string(row.phase),
                        "calls": .integer(Int64(row.calls)), "seconds": .number(row.seconds),
                        "operations": .number(row.operations), "bytes": .number(row.bytes),
                    ]
                }),
        ]
    }

    private func fixed(_ value: Double, _ decimals: Int) -> String {
        guard value.isFinite else { return "–" }
        guard abs(value) < 1e11 else { return "\(value)" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let whole = Int(clamping: (value * scale).rounded())
        guard decimals > 0 else { return String(whole) }
        let digits = String(abs(whole))
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        return (whole < 0 ? "-" : "") + padded.dropLast(decimals) + "." + padded.suffix(decimals)
    }
}
