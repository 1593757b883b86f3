import MartletNN

extension Decoder {
    /// Whether, in sequences of up to `length` tokens, the keys of a position depend only on the tokens up to it. This
    /// is false when the rotary frequencies depend on the length of the whole sequence (dynamic scaling, LongRoPE) and
    /// `length` exceeds the pretraining length: such keys cannot be shared by sequences with the same prefix.
    package func keysFollowFromPrefix(length: Int) -> Bool {
        stack.rotary.allSatisfy {
            $0.configuration.regime(length: 1) == $0.configuration.regime(length: length)
        }
    }
}
