import MartletInference
import MartletJSON
import MartletTokenizers

/// An inspection as JSON. Attention and logits are many numbers, so they are bytes in base64.
struct InspectionAnswer {
    let inspection: Inspection
    let tokenizer: Tokenizer

    /// The number of next-token candidates whose texts are included.
    private static let namedTokens = 64

    init(_ inspection: Inspection, _ tokenizer: Tokenizer) {
        self.inspection = inspection
        self.tokenizer = tokenizer
    }

    func json(model: String) -> JSON {
        let seen = inspection
        let off = seen.headsOff.sorted { ($0.layer, $0.head) < ($1.layer, $1.head) }
        return [
            "object": "inspection", "model": .string(model),
            "tokens": .array(seen.tokens.map { ["id": .integer(Int64($0)), "text": .string(text($0))] }),
            "layers": .integer(seen.layerCount), "heads": .integer(seen.headCount),
            "heads_off": .array(off.map { [.integer($0.layer), .integer($0.head)] }),
            "attention": .array(seen.attention.map { .string(Base64.text(triangles($0))) }),
            "lens": .array(
                seen.lens.map { positions in
                    .array(positions.map { scores in .array(scores.map(candidate)) })
                }),
            "experts": .array(
                seen.experts.map { mixture in
                    [
                        "layer": .integer(Int64(mixture.layer)),
                        "tokens": .array(
                            mixture.tokensOfExpert.map { .array($0.map { .integer(Int64($0)) }) }),
                    ]
                }),
            "residual_norms": .array(
                seen.residualNorms.map { norms in .array(norms.map { .number(Double($0)) }) }),
            "next": [
                "top": .array(
                    seen.top(Self.namedTokens).map { best in
                        [
                            "token": .integer(Int64(best.token)), "text": .string(text(best.token)),
                            "logit": .number(Double(best.logit)),
                        ]
                    }),
                "logits": .string(Base64.text(seen.logits)),
            ],
        ]
    }

    private func candidate(_ score: Inspection.TokenScore) -> JSON {
        [
            "token": .integer(Int64(score.token)), "text": .string(text(score.token)),
            "probability": .number(Double(score.probability)),
        ]
    }

    /// For a token that is part of a character, the replacement character.
    private func text(_ token: Int32) -> String {
        String(decoding: tokenizer.bytes(of: token) ?? [], as: UTF8.self)
    }

    /// For every head the lower triangle row by row, one byte per weight: round(255 · p).
    private func triangles(_ layer: [Float]) -> [UInt8] {
        let count = inspection.tokens.count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(inspection.headCount * count * (count + 1) / 2)
        for row in 0..<(inspection.headCount * count) {
            for column in 0...(row % count) {
                bytes.append(UInt8(max(0, min(255, (layer[row * count + column] * 255).rounded()))))
            }
        }
        return bytes
    }
}
