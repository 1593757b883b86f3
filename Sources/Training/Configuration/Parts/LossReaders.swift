/// Which losses of preferences read which of their options. What a loss does not read is refused, not ignored: a run with
/// `label_smoothing` and hinge would be one without.
enum LossReaders {
    private struct Entry: Sendable {
        let option: String
        /// Whether it has another value than the one at which it does nothing.
        let isSet: @Sendable (PreferenceOptions) -> Bool
        let losses: [String]
    }

    private static let judged = JudgedPolicy.Kind.allCases.map(\.rawValue)
    private static let contrastive = ["cpo", "cpo_hinge", "cpo_ipo", "simpo"]
    /// Those of DPO, which compare with a reference.
    private static let direct = DirectPreferenceLoss.Kind.allCases.map(\.rawValue)

    private static let all = [
        Entry(
            option: "label_smoothing", isSet: { $0.labelSmoothing != 0 },
            losses: ["sigmoid", "robust", "exo_pair", "aot", "aot_unpaired", "cpo", "simpo"]),
        Entry(option: "sft_weight", isSet: { $0.likelihoodWeight != 0 }, losses: direct + contrastive),
        Entry(option: "tail_weight", isSet: { $0.tailWeight != 1 }, losses: direct),
        Entry(
            option: "f_divergence", isSet: { $0.divergence != .reverseKL },
            losses: ["sigmoid", "hinge", "ipo", "exo_pair", "robust", "discopop", "sigmoid_norm"]),
        Entry(option: "reference_free", isSet: { $0.isReferenceFree }, losses: direct),
        Entry(option: "reference", isSet: { $0.reference != nil }, losses: direct + judged),
        Entry(option: "simpo_margin", isSet: { $0.simpoMargin != 0.5 }, losses: ["simpo"]),
        Entry(option: "alphapo", isSet: { $0.alpha != 0 }, losses: contrastive),
        Entry(option: "discopop_tau", isSet: { $0.discopopTemperature != 0.05 }, losses: ["discopop"]),
        Entry(option: "desirable_weight", isSet: { $0.desirableWeight != 1 }, losses: judged),
        Entry(option: "undesirable_weight", isSet: { $0.undesirableWeight != 1 }, losses: judged),
    ]

    /// - Throws: `TrainingError` naming the first option that none of the losses reads, and those that do.
    static func demand(_ options: PreferenceOptions) throws(TrainingError) {
        let names = options.loss.split(separator: ",").map { String($0.prefix { $0 != "=" }) }
        for entry in all where entry.isSet(options) && !names.contains(where: entry.losses.contains) {
            throw TrainingError(
                .configuration,
                "\(entry.option) does nothing with loss \(options.loss): leave it out, or take one of "
                    + entry.losses.joined(separator: ", "), option: entry.option)
        }
        guard options.reference == nil || !options.isReferenceFree else {
            throw TrainingError(
                .configuration, "reference and reference_free contradict each other: leave one of them out",
                option: "reference")
        }
    }
}
