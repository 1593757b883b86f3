/// What an encoder is pre-trained with, which says what heads it has.
public enum EncoderPretraining: Sendable, Equatable {
    case maskedTokens
    /// Masked tokens, and whether two texts belong together: `SentencePairModel`.
    case sentencePairs
    /// Which tokens a smaller model has put in place of masked ones: `ReplacedTokenModel`.
    case replacedTokens(generator: EncoderConfiguration)
}
