import MartletTensor

/// Drops elements while training: a new mask for every call, each a function of the seed and the call's number.
public final class Dropout {
    public let probability: Double
    public var isTraining = true
    /// Seed and stream of the masks; its position counts the words taken, and setting it back repeats the masks.
    public var stream: RandomStream

    /// - Parameter stream: one of its own for every layer of a model.
    public init(_ probability: Double, stream: RandomStream) {
        self.probability = probability
        self.stream = stream
    }

    public func callAsFunction(_ x: Tensor) throws -> Tensor {
        guard isTraining, probability > 0 else { return x }
        let now = stream
        // Two words an element, from the start of a block of four.
        stream.position += UInt64((x.elementCount * 2 + 7) & ~3)
        return try x.dropout(probability, stream: now)
    }
}
