import MartletJSON

/// The study as one HTML file that needs nothing else.
extension ModelStudy {
    public var html: String {
        var body =
            "<h1>\(escaped(text))</h1><p>\(escaped(answer.debugDescription)) against \(escaped(wrong.debugDescription))</p>"
        if let lens { body += lensTable(lens) }
        if let attribution { body += attributionTable(attribution) }
        if let patching { body += patchingTables(patching) }
        if let paths { body += pathTable(paths) }
        if let gradients { body += gradientTable(gradients) }
        if let rollout {
            body +=
                "<h2>Attention rollout</h2><p>How much of each token (column) reaches each other (row) through all layers.</p>"
            body += grid(rollout, rows: tokens, columns: tokens)
        }
        if !headLooks.isEmpty { body += headTable() }
        if let induction { body += inductionTables(induction) }
        return """
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>\(escaped(String(text.prefix(80))))</title><style>
            :root { color-scheme: light dark; font-family: system-ui, sans-serif; }
            body { max-width: 75rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.4; }
            .scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .8rem; }
            td, th { border: 1px solid #8884; padding: .15rem .4rem; text-align: right; white-space: pre; }
            th { font-weight: 600; } td.text { text-align: left; }
            </style></head><body>\(body)</body></html>

            """
    }

    private func escaped(_ text: String) -> String {
        var output = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": output += "&amp;"
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            case "\"": output += "&quot;"
            case "\n": output += "⏎"
            case let other where other.value < 0x20 || other.value == 0x7F: output += "·"
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output
    }

    private func fixed(_ value: Double, _ digits: Int = 2) -> String {
        guard value.isFinite, abs(value) < 1e9 else { return "\(value)" }
        let factor = digits == 3 ? 1000.0 : 100, scaled = Int64((abs(value) * factor).rounded())
        let part = String(scaled % Int64(factor)), zeros = String(repeating: "0", count: max(digits - part.count, 0))
        return (value < 0 && scaled > 0 ? "−" : "") + "\(scaled / Int64(factor)).\(zeros)\(part)"
    }

    /// Orange below 0, blue above.
    private func colour(_ value: Double) -> String {
        let strength = Int((min(abs(value), 1) * 70).rounded())
        return "background: color-mix(in srgb, \(value < 0 ? "#d55e00" : "#0072b2") \(strength)%, transparent)"
    }

    private func grid(_ values: [[Double]], rows: [String], columns: [String], scale: Double = 1) -> String {
        var out =
            "<div class=\"scroll\"><table><tr><th></th>" + columns.map { "<th>\(escaped($0))</th>" }.joined() + "</tr>"
        for (row, name) in zip(values, rows) {
            out += "<tr><th>\(escaped(name))</th>"
            out += row.map { "<td style=\"\(colour($0 / scale))\">\(fixed($0))</td>" }.joined() + "</tr>"
        }
        return out + "</table></div>"
    }

    private func lensTable(_ lens: LogitLens) -> String {
        var out = "<h2>Logit lens</h2><p>What the model would say after each token if it ended after that layer.</p>"
        out +=
            "<div class=\"scroll\"><table><tr><th>after</th>" + tokens.map { "<th>\(escaped($0))</th>" }.joined()
            + "</tr>"
        for (layer, rows) in lens.guesses.enumerated().reversed() {
            out += "<tr><th>\(layer == 0 ? "embedding" : "layer \(layer - 1)")</th>"
            for row in rows {
                guard let best = row.first else { continue }
                let others = row.map { "\(shown($0.token)) \(fixed(100 * $0.probability)) %" }.joined(separator: "\n")
                out +=
                    "<td class=\"text\" title=\"\(escapedLines(others))\" style=\"\(colour(best.probability))\">\(escaped(shown(best.token)))</td>"
            }
            out += "</tr>"
        }
        return out + "</table></div>"
    }

    private func escapedLines(_ text: String) -> String {
        text.split(separator: "\n").map { escaped(String($0)) }.joined(separator: "&#10;")
    }

    private func attributionTable(_ attribution: DirectAttribution) -> String {
        let sorted = attribution.contributions.sorted { abs($0.value) > abs($1.value) }
        let most = max(sorted.first.map { abs($0.value) } ?? 1, 1e-9)
        var out =
            "<h2>Direct logit attribution</h2><p>logit difference \(fixed(attribution.difference, 3)); the parts add up to it with "
        out += "\(fixed(attribution.rest, 3)) of biases. The forty largest of \(sorted.count):</p><table>"
        for part in sorted.prefix(40) {
            out +=
                "<tr><th>\(escaped(part.part))</th><td style=\"\(colour(part.value / most))\">\(fixed(part.value, 3))</td></tr>"
        }
        return out + "</table>"
    }

    private func patchingTables(_ patching: ActivationPatching) -> String {
        let layers = patching.residuals.indices.map { "layer \($0)" }
        var out =
            "<h2>Activation patching</h2><p>The share of the answer that comes back when one activation of the first text is put into "
        out +=
            "the second: logit difference \(fixed(patching.clean, 3)) in the first, \(fixed(patching.corrupted, 3)) in the second. "
        out += "The residual stream after a layer, at one token:</p>"
        out += grid(
            patching.residuals.reversed(), rows: layers.reversed(),
            columns: zip(tokens, corruptedTokens).map { $0 == $1 ? $0 : "\($0)/\($1)" })
        if let heads = patching.heads.first?.count {
            out += "<p>One head, at all tokens:</p>"
            out += grid(patching.heads.reversed(), rows: layers.reversed(), columns: (0..<heads).map { "head \($0)" })
        }
        return out
    }

    private func pathTable(_ paths: PathPatching) -> String {
        let rows = paths.effects.indices.map { "layer \($0)" }
        let columns = (0..<(paths.effects.first?.count ?? 0)).map { "head \($0)" }
        return
            "<h2>Path patching</h2><p>The share of the difference between the texts that goes from a head to the logits "
            + "past all other heads.</p>" + grid(paths.effects.reversed(), rows: rows.reversed(), columns: columns)
    }

    private func gradientTable(_ gradients: GradientAttribution) -> String {
        let rows = [gradients.gradientTimesInput, gradients.integrated]
        let most = max(rows.joined().map { abs($0) }.max() ?? 1, 1e-9)
        let steps = gradients.convergence.last?.steps ?? 0
        let verdict = gradients.isConverged == false ? ", which is more than 5 % of it: they have not converged" : ""
        return "<h2>Gradients</h2><p>Integrated gradients of \(steps) steps miss the difference "
            + "\(fixed(gradients.value - gradients.baseline, 3)) by \(fixed(gradients.gap, 3))\(verdict).</p>"
            + grid(rows, rows: ["gradient × input", "integrated"], columns: tokens, scale: most)
    }

    private func headTable() -> String {
        let heads = (headLooks.map(\.head).max() ?? 0) + 1
        func part(_ name: String, _ value: (Int) -> Double) -> String {
            let rows = stride(from: 0, to: headLooks.count, by: heads).map { start in
                (start..<min(start + heads, headLooks.count)).map(value)
            }
            return "<h3>\(name)</h3>"
                + grid(rows, rows: rows.indices.map { "layer \($0)" }, columns: (0..<heads).map { "head \($0)" })
        }
        return "<h2>Heads: mean attention</h2>" + part("to the first token") { headLooks[$0].first }
            + part("to the token before") { headLooks[$0].previous } + part("to the token itself") { headLooks[$0].own }
    }

    private func inductionTables(_ induction: InductionHeads) -> String {
        let rows = induction.scores.indices.map { "layer \($0)" }
        let columns = (0..<(induction.scores.first?.count ?? 0)).map { "head \($0)" }
        let off = induction.best.map { "\($0.layer).\($0.head)" }.joined(separator: ", ")
        return "<h2>Induction heads</h2><p>Attention, on random tokens written twice, to what followed the last time. "
            + "The loss of the second half is \(fixed(induction.loss, 3)), without the heads \(off) \(fixed(induction.lossWithout, 3)), "
            + "without as many others \(fixed(induction.lossWithoutOthers, 3)).</p>"
            + grid(induction.scores, rows: rows, columns: columns)
    }
}
