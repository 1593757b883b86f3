import MartletNN

extension Decoder {
    /// Whether the keys of a position depend on it and what stands before it alone. Not so where rotary frequencies
    /// follow from the length of the whole sequence (dynamic scaling, LongRoPE): such keys cannot be taken over by
    /// another sequence with the same beginning.
    package var keysFollowFromPrefix: Bool {
        rotary.allSatisfy {
            $0.configuration.regime(length: 1) == $0.configuration.regime(length: configuration.contextLength)
        }
    }
}
