import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct ProximalCommand: ParsableCommand, TrainingVerb {
    static let configuration = CommandConfiguration(
        commandName: "ppo",
        abstract: "Improve a chat model by PPO on what replies are worth, by a reward model among others.",
        discussion: """
            Each step the model writes replies to some prompts; a reward model or another reward says what each is worth, a \
            value head what was to be expected, and the divergence from the model before training lowers the reward of each \
            token (--kl-place reward) or raises the loss. --kl-target adapts its weight; --texts lets texts be learnt beside, \
            so that what was known stays.

            Rewards are those of martlet grpo: names, programs, reward models, several with weights.

            Examples:
              martlet ppo runs/sft --data prompts.jsonl --reward runs/rm
              martlet ppo runs/sft --data prompts.jsonl --reward runs/rm --kl-target 6 --texts shards/
              martlet ppo runs/sft --task arithmetic --problems 64 --steps 200
            """)

    @Argument(help: "The model to begin with: folder, GGUF file, hub repository or short name.", completion: .models)
    var model: String?
    @Option(help: "The folder of a reward model: the same as --reward FOLDER.") var rewardModel: String?
    @OptionGroup var training: TrainingFlags<ProximalCommand>

    static var emptyOptions: TrainingOptions { TrainingOptions(for: .proximal) }

    func run() throws {
        var options = try training.options(model)
        if let rewardModel {
            guard !options.givesReward else { throw ValidationError("give --reward or --reward-model, not both") }
            guard Folder.exists(rewardModel) else {
                throw ValidationError(
                    "--reward-model is \(rewardModel.quoted(limit: 60)), and there is no such folder; `martlet reward` trains "
                        + "a reward model")
            }
            let path = rewardModel.contains("/") ? rewardModel : "./" + rewardModel
            try options.set("reward", .string(path), from: "--reward-model")
        }
        try options.demandKnownReward()
        if try training.printsConfig(options) { return }
        try options.locateReference()
        guard let model = model ?? options.startingModel else {
            throw ValidationError("a model to begin with is needed")
        }
        guard (options.task == nil) != (options.prompts == nil) else {
            throw ValidationError("give --task, or --data with prompts, or one of task and prompts in a --config file")
        }
        let run = options.out ?? sibling(of: model, "ppo")
        try TrainingDisplay.demandFree(run, resume: training.resume, options)
        let start = try StartingModel.opened(model, options, memory: training.memory.limit)
        let task = try Problems.task(options, start)
        try options.setSteps(problems: (task as? PromptTask)?.learntCount)
        let trainer = try Trainer(
            run: run, options: options, proximal: start, task: task, memory: training.memory.limit)
        try TrainingDisplay(trainer: trainer, json: training.json).run(resume: training.resume)
    }
}

/// The problems that a run's options name.
enum Problems {
    static func task(_ options: TrainingOptions, _ model: StartingModel) throws -> any VerifiableTask {
        let resolved = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration)
        guard let path = resolved.rewards.prompts else {
            return try WorldTask(
                named: resolved.rewards.task ?? "", seed: UInt64(clamping: resolved.rewards.worldSeed))
        }
        let encoder = try model.chatEncoder(), limit = model.decoder.configuration.contextLength
        let task = try PromptTask(
            path: path, map: resolved.rewards.map, system: resolved.rewards.system,
            heldOut: resolved.evaluation.questions,
            seed: UInt64(clamping: resolved.general.seed)
        ) { try encoder.prompt($0).count < limit }
        for note in task.notes { Terminal.note("martlet: \(note)") }
        return task
    }
}
