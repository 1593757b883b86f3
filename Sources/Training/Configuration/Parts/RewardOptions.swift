import MartletJSON
import MartletNN

/// The problems that replies are written to, and what these are worth.
public struct RewardOptions: Sendable, Equatable {
    /// A file or folder of problems, instead of a task.
    public internal(set) var prompts: String?
    public internal(set) var task: String?
    public internal(set) var worldSeed = 1
    public internal(set) var map: String?
    /// Of problems that have none of their own.
    public internal(set) var system: String?
    public internal(set) var reward = ""
    public internal(set) var programSeconds = 60.0
}

/// How replies are written and compared.
public struct RolloutOptions: Sendable, Equatable {
    public internal(set) var problems = 0, groupSize = 0, updates = 0, maximumTokens = 0
    public internal(set) var temperature = 1.0, ratioClip = 0.2
    /// Programs with tools that replies may call, turns that may, and seconds that a call may take.
    public internal(set) var tools: [String] = []
    public internal(set) var toolTurns = 4, toolSeconds = 60.0

    /// What `grpo` does otherwise than runs over rows.
    static let defaults: [String: @Sendable (OptionFacts) -> (value: JSON, how: String)] = [
        "micro_batches": OptionDefault.value(1, "all replies at once").usual,
        "weight_decay": OptionDefault.value(0.0, "what was learnt before is to stay").usual,
        "learning_rate": OptionDefault.from {
            let usual = UsualNumbers($0.run.optimizer.kind, hiddenSize: 256)
            return ((usual.learningRate * 1e4).rounded() / 1e5, "a tenth of the default of the optimizer")
        }.usual,
        "final_rate": OptionDefault.value(0.0).usual,
        "schedule": OptionDefault.value(LearningRateSchedule.constant).usual,
        "warmup": OptionDefault.value(0, "none").usual,
        "steps": OptionDefault.from {
            $0.isTimed ? (ScheduleOptions.unboundedSteps, "until the minutes are over") : (60, "default")
        }.usual,
        "evaluate_every": OptionDefault.value(20).usual,
        "save_every": OptionDefault.value(20).usual,
        "log_every": OptionDefault.value(1).usual,
    ]
}

extension OptionPart {
    static let problems = OptionPart(
        "Problems and rewards",
        [
            .option(
                "prompts", optional: \.rewards.prompts, .path,
                "A file or folder of problems to learn from, instead of a task.", resume: .free, shown: true,
                flags: ["data"], others: "data dataset train_data", default: .none("given")),
            .option(
                "task", optional: \.rewards.task, .choice(WorldTask.names),
                "What is asked, where there are no prompts.",
                shown: true, default: .none("prompts")),
            .integer(
                "world_seed", \.rewards.worldSeed, 0...Int(Int32.max), "The village that the task is about.",
                shown: true, default: .value(1)),
            .option(
                "map", optional: \.rewards.map, .text, "Columns of the prompts, as prompt=question,response=answer.",
                shown: true, default: .none("by their names")),
            .option(
                "system", optional: \.rewards.system, .text,
                "The system prompt of problems that have none of their own.",
                shown: true, others: "system_prompt default_system", default: .none("none")),
            .option(
                "reward", \.rewards.reward, .text,
                "What a reply is worth: names and programs with weights, as number=1,./judge.py=0.5.", shown: true,
                others: "reward_funcs reward_function rewards",
                default: .from {
                    $0.run.rewards.task == nil ? ("exact", "default of prompts") : ("task", "the task's own")
                }),
            .number(
                "reward_seconds", \.rewards.programSeconds, 0.1...86_400,
                "That a reward program may take for the replies of a step.", resume: .free, default: .value(60)),
            .chatTemplate,
        ]
    ) { (run, _) throws(TrainingError) in
        try run.rewards.demandUse()
    }

    /// Of replies that are written in several turns.
    static let tools = OptionPart(
        "Tools",
        [
            .option(
                "tools", \.rollouts.tools, .paths,
                "Programs with tools that replies may call: JSON lines in and out, the first {\"describe\": true}.",
                resume: .free, shown: true, flags: ["tool"], others: "tool_config", default: .none()),
            .integer(
                "tool_turns", \.rollouts.toolTurns, 1...64, "Turns of a reply that may call tools.", shown: true,
                others: "max_turns max_tool_calling_iterations", default: .value(4)),
            .number(
                "tool_seconds", \.rollouts.toolSeconds, 0.1...86_400, "That a call may take.", resume: .free,
                default: .value(60)),
        ])

    static let rollouts = OptionPart(
        "Replies",
        [
            .option(
                "epochs", optional: \.rows.epochs, .number(0.001...100_000),
                "Times to go through the problems of the data, instead of steps.", resume: .told, shown: true,
                others: "epoch num_epochs num_train_epochs n_epochs", default: .none("by steps")),
            .integer(
                "problems", \.rollouts.problems, 1...4096, "Problems of a step.", shown: true, default: .value(16)),
            .integer(
                "group_size", \.rollouts.groupSize, 1...1024,
                "Replies to each problem; grpo compares them with each other.", shown: true, flags: ["group"],
                others: "num_generations group n_samples replies generations", default: .value(8)),
            .integer(
                "updates", \.rollouts.updates, 1...64, "Optimiser steps on the replies of a step.", shown: true,
                others: "num_iterations ppo_epochs mu", default: .value(1)),
            .integer(
                "maximum_tokens", \.rollouts.maximumTokens, 1...65_536, "Max new tokens of a reply.", shown: true,
                flags: ["tokens"], others: "max_tokens max_new_tokens max_completion_length max_completion_tokens",
                default: .value(64)),
            .number(
                "temperature", \.rollouts.temperature, 0.01...10, "That replies are drawn at.", shown: true,
                default: .value(1)),
            .number(
                "ratio_clip", \.rollouts.ratioClip, 1e-6...0.999999,
                "How far probabilities may move from those of the replies' writer.", shown: true, flags: ["clip"],
                others: "cliprange clip_range epsilon_clip clip_ratio",
                default: .from {
                    let method = $0.run.policy.method
                    return (method.usualClip, method == .gspo ? "default of gspo" : "default")
                }),
        ])
}
