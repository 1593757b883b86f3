/// What is added to the loss of next tokens, and what is dropped while it is computed.
public struct LossOptions: Sendable, Equatable {
    public internal(set) var dropout = 0.0, attentionDropout = 0.0
    public internal(set) var zLoss = 0.0, labelSmoothing = 0.0
    /// λ of multi-token prediction.
    public internal(set) var predictionWeight = 0.0
    /// NEFTune's α.
    public internal(set) var embeddingNoise = 0.0
    /// Of the divergence from the base, a token's beside that of a learnt token's loss.
    public internal(set) var divergenceWeight = 0.0
}

extension OptionPart {
    static let dropout = OptionPart(
        "Dropout",
        [
            .number(
                "dropout", \.loss.dropout, 0...0.9,
                "Share of the numbers added to the residual stream that is dropped.", shown: true,
                others: "drop dropout_rate p_dropout resid_dropout hidden_dropout", default: .value(0, "none")),
            .number(
                "attention_dropout", \.loss.attentionDropout, 0...0.9,
                "Share of attention's probabilities that is dropped.", shown: true,
                others: "attn_dropout attn_pdrop", default: .value(0, "none")),
        ])

    static let loss = OptionPart(
        "Loss",
        [
            .number(
                "z_loss", \.loss.zLoss, 0...1, "Weight of the squared log-partition.", others: "zloss z_loss_weight",
                default: .value(0, "none")),
            .number(
                "label_smoothing", \.loss.labelSmoothing, 0...0.99,
                "Weight of the uniform distribution beside the target.", others: "smoothing label_smoothing_factor",
                default: .value(0, "none")),
        ])

    /// What an adapter is held near.
    static let base = OptionPart(
        "Base",
        [
            .number(
                "kl_weight", \.loss.divergenceWeight, 0...100,
                "Of an adapter: weight of KL(base ‖ tuned) at every token, prompts too, beside a learnt token's loss, so that "
                    + "what was known stays.", shown: true, others: "kl_coef kl_beta base_kl",
                default: .value(0, "none"))
        ]
    ) { (run, _) throws(TrainingError) in
        guard run.loss.divergenceWeight == 0 || run.adapter.isOn else {
            throw TrainingError(
                .configuration,
                "kl_weight holds an adapter near its base, and there is none: say adapter lora, or teach the model by "
                    + "martlet distill with itself as the teacher")
        }
    }
}
