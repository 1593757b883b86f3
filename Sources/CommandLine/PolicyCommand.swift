import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct PolicyCommand: ParsableCommand, TrainingVerb {
    static let configuration = CommandConfiguration(
        commandName: "grpo",
        abstract: "Improve a chat model by reinforcement learning on problems a program can check.",
        discussion: """
            Each step the model writes a group of replies to each of some problems; replies that are better than their \
            group become likelier (group relative policy optimisation). Before, during and after, held-out problems are \
            answered greedily. --method sets what follows from it: dr_grpo (no division by lengths or deviations), dapo (a \
            higher clip above, groups of equal rewards drawn again, long replies penalised), gspo (a sequence's ratio), cispo, \
            rloo (the others of the group as the baseline), reinforce, expert (the best replies are learnt: expert iteration).

            Tasks:
              arithmetic  sums and differences of the synthetic world
              world       questions about its stories, people, words and numbers

            Problems are also read from files, in every form that martlet sft reads: of a record with a reply the reply is \
            the reference answer. At most a tenth of them is held out.

            Rewards (--reward NAME|PROGRAM[=WEIGHT][,…]), each a number that a finished reply is worth:
            \(Reward.builtInNames.map { "  " + $0.name.padded(to: 10) + "  " + $0.meaning }.joined(separator: "\n"))
            A reward model is the path of its folder, as martlet reward writes it. A program, named by a path with a /, is \
            started once. It gets a JSON line for each reply on standard input, \
            {"prompt": [messages], "reply": "…", "answer": "…", "columns": {…}}, and answers each with a line, a number or \
            {"reward": number}.

            Options are set by flags, by a file and by --set, as those of martlet train; --print-config writes them all, with \
            micro_batches, precision, ema, recompute and the optimiser's numbers among them. Ctrl-C saves and stops; --resume \
            auto goes on to the same weights as if nothing had happened.

            Examples:
              martlet grpo runs/sft --task arithmetic
              martlet grpo runs/sft --task arithmetic --steps 200 --problems 32 --group 16 --out runs/better
              martlet grpo runs/sft --data gsm8k.jsonl --reward math,format=0.2 --method dapo
              martlet grpo runs/sft --data prompts.jsonl --reward runs/rm --kl-weight 0.05
              martlet grpo runs/sft --data problems.jsonl --reward ./judge.py --set micro_batches=4
              martlet grpo runs/sft --data problems.jsonl --reward math --tool ./calculator.py --tool-turns 3
            """)

    @Argument(help: "The model to begin with: folder, GGUF file, hub repository or short name.", completion: .models)
    var model: String?
    @OptionGroup var training: TrainingFlags<PolicyCommand>

    static var emptyOptions: TrainingOptions { TrainingOptions(for: .policy) }

    func run() throws {
        var options = try training.options(model)
        try options.demandKnownReward()
        if try training.printsConfig(options) { return }
        try options.locateReference()
        guard let model = model ?? options.startingModel else {
            throw ValidationError("a model to begin with is needed")
        }
        guard (options.task == nil) != (options.prompts == nil) else {
            throw ValidationError("give --task, or --data with problems, or one of task and prompts in a --config file")
        }
        let run = options.out ?? sibling(of: model, "grpo")
        try TrainingDisplay.demandFree(run, resume: training.resume, options)
        let start = try StartingModel.opened(model, options, memory: training.memory.limit)
        let task = try Problems.task(options, start)
        try options.setSteps(problems: (task as? PromptTask)?.learntCount)
        let trainer = try Trainer(
            run: run, options: options, model: start, task: task, memory: training.memory.limit)
        try TrainingDisplay(trainer: trainer, json: training.json).run(resume: training.resume)
    }
}
