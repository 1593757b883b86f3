import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletSystem
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
    /// Seconds that reading the text and training took, without what a folder had already.
    public let readingSeconds, trainingSeconds: Double
    /// For each feature that is not dead: how often it is active, and its strongest tokens with those before them.
    public let features: [(feature: Int, share: Double, examples: [(before: String, token: String, value: Float)])]

    /// - Parameters:
    ///   - tokenLimit: the first so many tokens of the text, read in pieces of 256.
    ///   - folder: a folder that is there, for what is computed: the same study goes on from it.
    ///   - identity: what tells this model from others, for the folder.
    /// - Throws: `InterpretabilityError` for a text of too few tokens; `CancellationError`.
    public init(
        _ model: LanguageModel, text: String, at name: ActivationName, tokenLimit: Int,
        _ options: SparseAutoencoder.Options, keepingIn folder: String? = nil, identity: JSONObject = [:],
        isCancelled: () -> Bool = { false }, progress: (String, Int, Int) -> Void = { _, _, _ in }
    ) throws {
        guard name.part != .pattern else {
            throw InterpretabilityError.badInput("an autoencoder takes rows of tokens; an attention pattern has none")
        }
        let probe = ModelProbe(model), piece = min(256, model.configuration.contextLength)
        let tokens = Array(try model.tokenizer.encode(text, addSpecialTokens: false).prefix(tokenLimit))
        guard piece > 1 else {
            throw InterpretabilityError.badInput("a model of one position has no tokens after the first")
        }
        guard tokens.count >= 2 * piece else {
            throw InterpretabilityError.badInput("\(tokens.count) tokens are too few; at least \(2 * piece) are needed")
        }
        let kept = try folder.map {
            try FeatureFolder($0, identity: Self.identity(identity, tokens, name, probe.precision))
        }
        let clock = ContinuousClock(), began = clock.now
        let rows = try Self.activations(
            probe, tokens, at: name, piece: piece, keepingIn: kept, isCancelled: isCancelled
        ) { progress("activations", $0, tokens.count) }
        let read = clock.now
        // Every tenth piece is held out.
        let count = rows.shape[0], inPiece = piece - 1
        let training = (0..<count).filter { $0 / inPiece % 10 != 9 },
            held = (0..<count).filter { $0 / inPiece % 10 == 9 }
        autoencoder = try SparseAutoencoder(width: rows.shape[1], options)
        try autoencoder.train(rows, of: training, keepingIn: kept, isCancelled: isCancelled) { step, _ in
            progress("steps", step, options.steps)
        }
        (readingSeconds, trainingSeconds) = ((read - began) / .seconds(1), (clock.now - read) / .seconds(1))
        report = try autoencoder.report(rows, of: held.isEmpty ? training : held)
        (self.name, tokenCount) = (name, tokens.count)
        let uses = try autoencoder.uses(rows, examples: 6, isCancelled: isCancelled)
        func decoded(_ range: Range<Int>) -> String { (try? model.tokenizer.decode(tokens[range])) ?? "" }
        var found: [(feature: Int, share: Double, examples: [(before: String, token: String, value: Float)])] = []
        for (feature, use) in uses.enumerated() where use.count > 0 {
            let shown = use.top.map { example in
                let start = example.row / inPiece * piece, place = start + example.row % inPiece + 1
                return (
                    before: decoded(max(start, place - 12)..<place), token: decoded(place..<place + 1),
                    value: example.value
                )
            }
            found.append((feature, Double(use.count) / Double(max(count, 1)), shown))
        }
        features = found
    }

    /// The activations of the tokens, `[tokens but the first of each piece, width]`: a first token's are of another size in
    /// most models, and drown the others.
    private static func activations(
        _ probe: ModelProbe, _ tokens: [Int32], at name: ActivationName, piece: Int,
        keepingIn folder: FeatureFolder?, isCancelled: () -> Bool, progress: (Int) -> Void
    ) throws -> Tensor {
        func seen(_ start: Int) throws -> Tensor {
            if isCancelled() { throw CancellationError() }
            let part = Array(tokens[start..<min(start + piece, tokens.count)])
            guard let seen = try probe.activations(part, keeping: [name])[name] else {
                throw InterpretabilityError.notSeen("\(name)")
            }
            return seen  // [piece, width]
        }
        let pieces = (tokens.count + piece - 1) / piece, count = tokens.count - pieces
        // The first piece tells the width.
        let first = try seen(0), rows = try room(count, first.shape[1])
        let inPart = FeatureFolder.piecesOfPart * piece
        for (number, start) in stride(from: 0, to: tokens.count, by: inPart).enumerated() {
            let end = min(start + inPart, tokens.count), size = end - start - (end - start + piece - 1) / piece
            let target = rows.leadingRows(number * FeatureFolder.piecesOfPart * (piece - 1), count: size)
            if try folder?.read(number, into: target) == true {
                progress(end)
                continue
            }
            for place in stride(from: start, to: end, by: piece) {
                let activations = place == 0 ? first : try seen(place), length = activations.shape[0] - 1
                if length > 0 {
                    try target.leadingRows((place - start) / piece * (piece - 1), count: length)
                        .copy(from: activations.narrow(0, from: 1, length: length))
                }
                progress(place + length + 1)
            }
            try folder?.write(number, target)
        }
        return rows
    }

    /// What the activations follow from.
    private static func identity(
        _ model: JSONObject, _ tokens: [Int32], _ name: ActivationName, _ precision: Precision
    ) -> JSONObject {
        let hash = SHA256.hash(
            tokens.flatMap { token in (0..<4).map { UInt8(truncatingIfNeeded: token >> (8 * Int32($0))) } })
        return JSONObject(
            [
                ("activation", .string(name.description)), ("tokens", .integer(Int64(tokens.count))),
                ("tokens_sha256", .string(hash.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())),
                ("precision", .string(precision.rawValue)),
            ] + Array(model))
    }

    /// - Throws: `InterpretabilityError.badInput` for more than half of the memory that is there.
    private static func room(_ count: Int, _ width: Int) throws -> Tensor {
        let bytes = count.multiplied(clampedBy: width).multiplied(clampedBy: 4)
        if let memory = MachineMemory().available, bytes > memory / 2 {
            throw InterpretabilityError.badInput(
                "\(count) activations of \(width) numbers take \(bytes >> 20) MiB, and \(memory >> 20) MiB are left on this "
                    + "machine; take fewer tokens")
        }
        return try Tensor.zeros([count, width])
    }

    public var json: JSON {
        [
            "activation": .string(name.description), "tokens": .integer(Int64(tokenCount)),
            "features": .integer(Int64(autoencoder.options.features)),
            "explained_variance": .number(report.explainedVariance), "active_features": .number(report.activeFeatures),
            "dead_share": .number(report.deadShare), "held_out_rows": .integer(Int64(report.rows)),
            "reading_seconds": .number(readingSeconds), "training_seconds": .number(trainingSeconds),
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
