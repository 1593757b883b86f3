import MartletInference
import MartletJSON
import MartletModels
import MartletTensor

/// A sparse autoencoder over the activations that a model has while it reads a text, and a page of what its features react to.
///
/// ```swift
/// let study = try FeatureStudy(model, text: text, at: ActivationName(layer: 10, .residualAfter), tokenLimit: 100_000, options)
/// print(study.report.explainedVariance, study.report.deadShare)
/// ```
public struct FeatureStudy {
    public let name: ActivationName
    public let autoencoder: SparseAutoencoder
    /// On a tenth of the tokens, which it was not trained on.
    public let report: SparseAutoencoder.Report
    public let tokenCount: Int
    /// For each feature that is not dead: how often it is active, and its strongest tokens with those before them.
    public let features: [(feature: Int, share: Double, examples: [(before: String, token: String, value: Float)])]

    /// - Parameters:
    ///   - tokenLimit: the first so many tokens of the text, read in pieces of 256.
    /// - Throws: `InterpretabilityError` for a text of too few tokens; `CancellationError`.
    public init(
        _ model: LanguageModel, text: String, at name: ActivationName, tokenLimit: Int,
        _ options: SparseAutoencoder.Options, isCancelled: () -> Bool = { false },
        progress: (String, Int, Int) -> Void = { _, _, _ in }
    ) throws {
        guard name.part != .pattern else {
            throw InterpretabilityError.badInput("an autoencoder takes rows of tokens; an attention pattern has none")
        }
        let probe = ModelProbe(model), piece = min(256, model.configuration.contextLength)
        let tokens = Array(try model.tokenizer.encode(text, addSpecialTokens: false).prefix(tokenLimit))
        guard tokens.count >= 2 * piece else {
            throw InterpretabilityError.badInput("\(tokens.count) tokens are too few; at least \(2 * piece) are needed")
        }
        var rows: [[Float]] = [], width = 0
        for start in stride(from: 0, to: tokens.count, by: piece) {
            if isCancelled() { throw CancellationError() }
            let part = Array(tokens[start..<min(start + piece, tokens.count)])
            guard let tensor = try probe.activations(part, keeping: [name])[name] else {
                throw InterpretabilityError.notSeen("\(name)")
            }
            let values: [Float] = try tensor.toArray()
            width = tensor.shape[1]
            // The first token's activations are of another size in most models, and drown the others.
            for row in part.indices { rows.append(row == 0 ? [] : Array(values[row * width..<(row + 1) * width])) }
            progress("activations", min(start + piece, tokens.count), tokens.count)
        }
        // Every tenth piece is held out.
        let isHeldOut = rows.indices.map { $0 / piece % 10 == 9 }
        let kept = rows.indices.filter { !rows[$0].isEmpty }
        let training = kept.filter { !isHeldOut[$0] }.map { rows[$0] }, held = kept.filter { isHeldOut[$0] }
        autoencoder = try SparseAutoencoder(width: width, options)
        try autoencoder.train(training, isCancelled: isCancelled) { step, _ in progress("steps", step, options.steps) }
        report = try autoencoder.report(held.isEmpty ? training : held.map { rows[$0] })
        (self.name, tokenCount) = (name, tokens.count)
        let places = kept, all = places.map { rows[$0] }
        let top = try autoencoder.topRows(all, count: 6)
        var counts = [Int](repeating: 0, count: options.features)
        for start in stride(from: 0, to: all.count, by: 512) {
            for values in try autoencoder.features(Array(all[start..<min(start + 512, all.count)])) {
                for (feature, value) in values.enumerated() where value > 0 { counts[feature] += 1 }
            }
        }
        func decoded(_ range: Range<Int>) -> String { (try? model.tokenizer.decode(tokens[range])) ?? "" }
        var found: [(feature: Int, share: Double, examples: [(before: String, token: String, value: Float)])] = []
        for (feature, examples) in top.enumerated() where !examples.isEmpty {
            let shown = examples.map { example in
                let place = places[example.row], start = max(place / piece * piece, place - 12)
                return (before: decoded(start..<place), token: decoded(place..<place + 1), value: example.value)
            }
            found.append((feature, Double(counts[feature]) / Double(max(all.count, 1)), shown))
        }
        features = found
    }

    public var json: JSON {
        [
            "activation": .string(name.description), "tokens": .integer(Int64(tokenCount)),
            "features": .integer(Int64(autoencoder.options.features)),
            "explained_variance": .number(report.explainedVariance), "active_features": .number(report.activeFeatures),
            "dead_share": .number(report.deadShare), "held_out_rows": .integer(Int64(report.rows)),
            "examples": .array(
                features.map { entry in
                    [
                        "feature": .integer(Int64(entry.feature)), "share": .number(entry.share),
                        "top": .array(
                            entry.examples.map {
                                [
                                    "before": .string($0.before), "token": .string($0.token),
                                    "value": .number(Double($0.value)),
                                ]
                            }),
                    ]
                }),
        ]
    }

    public var html: String {
        func escaped(_ text: String) -> String {
            text.reduce(into: "") { output, character in
                switch character {
                case "&": output += "&amp;"
                case "<": output += "&lt;"
                case ">": output += "&gt;"
                case "\n", "\r\n": output += "⏎"
                default: output.append(character)
                }
            }
        }
        func percent(_ value: Double) -> String { "\((value * 1000).rounded() / 10) %" }
        var body =
            "<h1>Features of \(escaped(name.description))</h1><p>\(autoencoder.options.features) features of \(tokenCount) tokens: "
        body += "\(percent(report.explainedVariance)) of the variance explained, \(percent(report.deadShare)) dead, "
        body += "\((report.activeFeatures * 10).rounded() / 10) active at a token.</p>"
        for entry in features.sorted(by: { ($0.examples.first?.value ?? 0) > ($1.examples.first?.value ?? 0) }) {
            body += "<details><summary>feature \(entry.feature), active at \(percent(entry.share))</summary><ul>"
            for example in entry.examples {
                body +=
                    "<li>\(escaped(example.before))<b>\(escaped(example.token))</b> \((example.value * 100).rounded() / 100)</li>"
            }
            body += "</ul></details>"
        }
        return """
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>Features</title><style>:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
            body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; } b { background: #0072b244; }</style></head>
            <body>\(body)</body></html>

            """
    }
}
