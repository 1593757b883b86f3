/// What the chosen method does not read is refused by name, not ignored: a run of rloo with `ratio_clip` would be one without.
///
/// An option counts as set where it has another value than its default: `configuration.json` of a run, which has all of them,
/// gives the same run again.
extension PolicyGradientOptions {
    func demandUse(_ run: RunOptions) throws(TrainingError) {
        try TrainingError.refuse(
            "reference", if: reference != nil && divergenceWeight == 0,
            "does nothing without a kl_weight: give one above 0, such as 0.04")
        try TrainingError.refuse(
            "ratio_limit", if: ratioLimit != nil && surrogate != .clipped,
            "is of surrogate clipped; \(surrogate.rawValue) does not read it")
        try TrainingError.refuse(
            "importance", importance.rawValue, if: importance != .token && surrogate == .logProbability,
            "is of a ratio, which surrogate log_probability has none of")
        // Of a weight that is clipped above alone, ratio_clip counts where clip_high follows it.
        let clip = run.rollouts.ratioClip
        let followsClip = surrogate == .clippedWeight && method.usualClipHigh == nil && clipHigh == clip
        try TrainingError.refuse(
            "ratio_clip", if: clip != method.usualClip && surrogate != .clipped && !followsClip,
            surrogate == .clippedWeight
                ? "is below the ratio, where surrogate clipped_weight is not clipped: take clip_high"
                : "is of surrogate clipped; \(surrogate.rawValue) does not read it: leave it out")
        try TrainingError.refuse(
            "clip_high",
            if: clipHigh != method.usualClipHigh ?? clip && surrogate != .clipped && surrogate != .clippedWeight,
            "is of surrogates clipped and clipped_weight; \(surrogate.rawValue) does not read it: leave it out")
        try TrainingError.refuse(
            "divides_by_deviation", if: dividesByDeviation != (method != .drGRPO) && baseline != .group,
            "is of baseline group; \(baseline.rawValue) does not read it: leave it out")
    }
}

extension PolicyGradientOptions.Method {
    /// `ratio_clip` where nothing else is said.
    var usualClip: Double { self == .gspo ? 3e-4 : 0.2 }

    /// `clip_high` of methods that have one of their own; of the others it is `ratio_clip`.
    var usualClipHigh: Double? {
        switch self {
        case .dapo: 0.28
        case .gspo: 4e-4
        case .cispo: 4
        default: nil
        }
    }
}

extension ProximalOptions {
    func demandUse() throws(TrainingError) {
        let usual = ProximalOptions()
        try TrainingError.refuse(
            "kl_place", if: divergencePlace != usual.divergencePlace && divergenceWeight == 0,
            "does nothing with kl_weight 0: give one above 0, such as 0.05")
        try TrainingError.refuse(
            "kl_target", if: divergenceTarget != nil && divergenceWeight == 0,
            "multiplies kl_weight, and 0 stays 0: give a kl_weight above 0, such as 0.05")
        try TrainingError.refuse(
            "kl_horizon", if: divergenceHorizon != usual.divergenceHorizon && divergenceTarget == nil,
            "does nothing without a kl_target: give one, or leave it out")
        try TrainingError.refuse(
            "value_clip", if: valueClip != usual.valueClip && valueWeight == 0,
            "does nothing with value_weight 0: leave it out")
        for (name, isSet) in [
            ("text_weight", textWeight != usual.textWeight), ("text_rows", textRows != usual.textRows),
        ] {
            try TrainingError.refuse(
                name, if: isSet && texts == nil, "does nothing without texts: give a folder of shards as texts")
        }
    }
}

extension RewardOptions {
    func demandUse() throws(TrainingError) {
        try TrainingError.refuse(
            "world_seed", if: worldSeed != 1 && prompts != nil,
            "is of the problems of a task; those of \(prompts ?? "") are as they are written: leave it out")
        try TrainingError.refuse(
            "map", if: map != nil && task != nil && prompts == nil,
            "is of problems from files; task \(task ?? "") has no columns: leave it out")
        // A reward that cannot be read is told where it is opened; it may be a program's own.
        let names = (try? RewardSum.named(reward))?.map(\.name)
        try TrainingError.refuse(
            "reward_seconds",
            if: programSeconds != 60 && names.map { !$0.contains(where: RewardSum.isOutside) } ?? false,
            "is of a reward program; \(reward) starts none: leave it out")
    }
}

extension RolloutOptions {
    /// - Parameter hasTools: whether there are tools, from programs or not.
    func demandUse(hasTools: Bool) throws(TrainingError) {
        try TrainingError.refuse(
            "tool_turns", if: toolTurns != 4 && !hasTools, "does nothing without tools: give them, or leave it out")
        try TrainingError.refuse(
            "tool_seconds", if: toolSeconds != 60 && tools.isEmpty,
            "is of programs with tools, and none is given: leave it out")
    }
}

extension TrainingError {
    /// - Parameters:
    ///   - value: of the option, where it is told too.
    ///   - why: continues the option's name to a sentence.
    fileprivate static func refuse(
        _ option: String, _ value: String? = nil, if isUnread: Bool, _ why: String
    ) throws(TrainingError) {
        guard isUnread else { return }
        let name = [option, value].compactMap(\.self).joined(separator: " ")
        throw TrainingError(.configuration, name + " " + why, option: option)
    }
}
