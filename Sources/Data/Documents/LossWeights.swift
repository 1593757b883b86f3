/// What tokens and messages count in a loss: 0 is context, 1 the usual, and any finite number above 0 is allowed. The loss
/// is Σ w ℓ / Σ w, so weights say how much a token counts beside others, not how large the loss is.
package enum LossWeights {
    /// Whether a number can be a weight.
    package static func accepts(_ weight: Double) -> Bool {
        weight >= 0 && weight <= Double(Float.greatestFiniteMagnitude)
    }

    /// - Returns: nil where all are 0 or 1, which a mask says.
    package static func beyondMask(_ weights: [Float]) -> [Float]? {
        weights.allSatisfy { $0 == 0 || $0 == 1 } ? nil : weights
    }
}
