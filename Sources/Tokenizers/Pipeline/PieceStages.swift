/// The pre-tokenization steps between normalised text and the model: splits and rewrites, applied in order.
package struct PieceStages: Sendable {
    package enum Step: Sendable {
        case cut(any PreTokenizer)
        case rewrite(any PieceRewriter)
    }

    package var steps: [Step]

    package init(_ steps: [Step] = []) { self.steps = steps }

    /// Calls `body` with every piece.
    package func forEachPiece(
        of text: UnsafeBufferPointer<UInt8>, isFirst: Bool, _ body: (UnsafeBufferPointer<UInt8>) throws -> Void
    ) rethrows {
        try run(0, text, isFirst, body)
    }

    private func run(
        _ index: Int, _ text: UnsafeBufferPointer<UInt8>, _ isFirst: Bool,
        _ body: (UnsafeBufferPointer<UInt8>) throws -> Void
    ) rethrows {
        guard index < steps.count else {
            if !text.isEmpty { try body(text) }
            return
        }
        switch steps[index] {
        case .cut(let cutter):
            let isLast = index + 1 == steps.count
            try cutter.split(text) { range in
                guard !range.isEmpty else { return }
                let piece = UnsafeBufferPointer(rebasing: text[range])
                if isLast {
                    try body(piece)
                } else {
                    try run(index + 1, piece, isFirst && range.lowerBound == 0, body)
                }
            }
        case .rewrite(let rewriter):
            var output: [UInt8] = []
            rewriter.rewrite(text, isFirst: isFirst, into: &output)
            try output.withUnsafeBufferPointer { try run(index + 1, $0, isFirst, body) }
        }
    }
}
