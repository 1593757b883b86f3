import MartletModels

extension OptionPart {
    /// Modules of a new model that predict further tokens.
    static let predictions = OptionPart(
        "Multi-token prediction",
        [
            .integer(
                "mtp_depth", \.shape.predictions, 0...4,
                "Modules that predict further tokens, one each, and draft them (DeepSeek V3: run --spec mtp).",
                shown: true,
                others: "num_nextn_predict_layers mtp_num_layers n_predict", default: .value(0, "none")),
            .number(
                "mtp_weight", \.loss.predictionWeight, 0...10, "Weight of their loss, a mean over the modules.",
                others: "mtp_loss_scaling_factor mtp_loss_weight mtp_lambda",
                default: .from { $0.run.shape.predictions > 0 ? (0.3, "default") : (0, "no modules") }),
        ]
    ) { (run, _) throws(TrainingError) in
        guard run.shape.predictions > 0 else {
            guard run.loss.predictionWeight == 0 else {
                throw TrainingError(
                    .configuration, "mtp_weight is of modules that predict further tokens: set mtp_depth")
            }
            return
        }
        guard run.shape.form.predicts else {
            let families = Family.begun.filter(\.form.predicts).map(\.name).joined(separator: " or ")
            throw TrainingError(
                .configuration, "mtp_depth needs family \(families); \(run.shape.family) has no such modules")
        }
        guard run.objective.kind == .nextToken || run.objective.kind == .middle else {
            throw TrainingError(
                .configuration,
                "mtp_depth: further tokens are predicted with objective next-token or fim, not with "
                    + run.objective.kind.rawValue)
        }
        guard run.loss.predictionWeight > 0 else {
            throw TrainingError(.configuration, "mtp_weight 0 would leave the modules of mtp_depth as they begin")
        }
    }
}
