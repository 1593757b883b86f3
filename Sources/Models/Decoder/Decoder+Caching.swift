import MartletNN

extension Decoder {
    /// Whether the keys of a position in sequences of up to `length` tokens depend on it and what stands before it alone.
    /// Not so where rotary frequencies follow from the length of the whole sequence (dynamic scaling, LongRoPE) and
    /// `length` is beyond that of pretraining: such keys cannot be taken over by another sequence with the same beginning.
    package func keysFollowFromPrefix(length: Int) -> Bool {
        stack.rotary.allSatisfy {
            $0.configuration.regime(length: 1) == $0.configuration.regime(length: length)
        }
    }
}
