import MartletModels

/// What a run on rewards, of a policy with or without a value head, resolves and checks before its folder is made.
struct RewardedRun {
    let resolved: ResolvedOptions
    let cost: TrainingCost
    let reward: RewardSum

    /// - Parameters:
    ///   - command: whose options they must be.
    ///   - reward: the reward of replies; by default that of the options, which is, where they name none, the task's own
    ///     check, and `exact` for prompts from files.
    ///   - memory: the limit on the bytes of weights, gradients and optimiser state; nil for no check. The memory of
    ///     replies depends on their length and is not planned.
    /// - Throws: `TrainingError` where something does not fit; `RewardError`.
    init(
        _ options: TrainingOptions, of command: RunCommand, _ model: StartingModel, _ task: any VerifiableTask,
        reward: RewardSum?, memory: Int?
    ) throws {
        guard options.command == command else {
            throw TrainingError(
                .configuration, "options of martlet \(options.command.name) are not those of \(command.name)")
        }
        var given = options
        if let reward {
            try given.set("reward", .string(reward.text), from: "given")
        } else if !given.givesReward {
            try given.set("reward", .string(task is WorldTask ? "task" : "exact"), from: "default of the problems")
        }
        resolved = try ResolvedOptions(
            given, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration)
        cost = TrainingCost(model.decoder.configuration, length: 1)
        try TrainingCost.demand(
            resolved.memory(cost, adapter: model.files.adapter?.sizes), within: memory, for: "reinforcement learning")
        self.reward = try reward ?? resolved.rewardSum(model)
        try resolved.recompute(model.decoder)
    }
}
