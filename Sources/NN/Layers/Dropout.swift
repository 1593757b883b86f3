import MartletTensor

/// Dropout in training. Every call draws a new mask; the mask is a function of the seed and the number of the call.
///
/// ```swift
/// let dropout = Dropout(0.1, stream: RandomStream(seed: 1, stream: 7))
/// let y = try dropout(x)
/// dropout.isTraining = false      // x itself
/// ```
public final class Dropout {
    public let probability: Double
    public var isTraining = true
    /// Seed and stream of the masks. Its position counts the random words consumed; resetting it repeats the masks.
    public var stream: RandomStream

    /// - Parameter stream: every layer of a model needs a different one.
    public init(_ probability: Double, stream: RandomStream) {
        self.probability = probability
        self.stream = stream
    }

    public func callAsFunction(_ x: Tensor) throws -> Tensor {
        guard isTraining, probability > 0 else { return x }
        let now = stream
        // Two words per element, starting at a block of four words.
        stream.position += UInt64((x.elementCount * 2 + 7) & ~3)
        return try x.dropout(probability, stream: now)
    }
}
