import ArgumentParser
import Martlet
import MartletSystem

struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grpo",
        abstract: "Improve a chat model by reinforcement learning on problems a program can check.",
        discussion: """
            Each step the model writes a group of replies to each of some problems; replies that are better than their \
            group become likelier (group relative policy optimisation). Before, during and after, held-out problems are \
            answered greedily.

            Tasks:
              arithmetic  sums and differences of the synthetic world
              world       questions about its stories, people, words and numbers

            Examples:
              martlet grpo runs/sft --task arithmetic
              martlet grpo runs/sft --task arithmetic --steps 200 --problems 32 --group 16 --out runs/better
            """)

    @Argument(help: "The model to begin with: folder, GGUF file, hub repository or short name.") var model: String
    @Option(help: "arithmetic or world.") var task: String
    @Option(help: "The run folder to write; grpo beside the model by default.") var out: String?
    @Option(help: "Steps.") var steps = 60
    @Option(help: "Problems a step.") var problems = 16
    @Option(help: "Replies to each problem.") var group = 8
    @Option(help: "Optimiser updates on the replies of a step.") var updates = 1
    @Option(help: "adamw, adam, sgd, rmsprop, adafactor, lion or muon.") var optimizer = OptimizerKind.adamw
    @Option(help: "Learning rate; by default the optimiser's usual one, 3e-4 for adamw.") var rate: Double?
    @Option(help: "How the rate goes: constant, linear, cosine, wsd or inverse-square-root.")
    var schedule = LearningRateSchedule.constant
    @Option(help: "Tokens of a reply at most.") var tokens = 64
    @Option(help: "Sampling temperature of the replies.") var temperature = 1.0
    @Option(help: "How far probabilities may move from those of the replies' writer.") var clip = 0.2
    @Flag(help: "Take the group's mean off the reward, but do not divide by its deviation.") var withoutDeviation =
        false
    @Option(help: "Evaluate every so many steps.") var evaluateEvery = 20
    @Option(help: "Held-out problems to evaluate with; 0 for none.") var questions = 200
    @Option(help: "Save every so many steps.") var saveEvery = 20
    @Option(help: "Seed of problems and replies.") var seed: UInt64 = 1
    @Option(help: "The village the model knows.") var worldSeed: UInt64 = 1
    @Option(help: "auto: go on from the newest whole checkpoint of the run, or begin; never: begin anew.")
    var resume = "never"
    @Flag(help: "One JSON line for every step on standard output.") var json = false
    @OptionGroup var memory: MemoryFlags

    func validate() throws {
        guard ["auto", "never"].contains(resume) else { throw ValidationError("--resume is auto or never") }
        guard evaluateEvery > 0, saveEvery > 0, questions >= 0 else {
            throw ValidationError("--evaluate-every and --save-every are at least 1, --questions at least 0")
        }
    }

    func run() throws {
        let run = out ?? sibling(of: model, "grpo")
        try TrainingDisplay.demandFree(run, resume: resume == "auto")
        var options = PolicyOptions()
        options.steps = steps
        options.problems = problems
        options.groupSize = group
        options.updates = updates
        options.optimizer = optimizer
        options.learningRate = rate
        options.schedule = schedule
        options.maximumTokens = tokens
        options.temperature = temperature
        options.clip = clip
        options.dividesByDeviation = !withoutDeviation
        options.evaluateEvery = evaluateEvery
        options.evaluationQuestions = questions
        options.saveEvery = saveEvery
        options.seed = seed
        let trainer = try PolicyTrainer(
            run: run, model: StartingModel(path: ModelLocator.locate(model), memory: memory.limit),
            task: WorldTask(named: task, seed: worldSeed), options: options, memory: memory.limit)
        if resume == "auto" {
            let (checkpoint, broken) = try trainer.resume()
            TrainingDisplay.tell(checkpoint, broken, isFinished: trainer.isFinished)
            if trainer.isFinished { return }
        }
        let interrupted = StopRequest()
        var line = StatusLine()
        let isDone = try trainer.train(isInterrupted: { interrupted.isRequested }) { event in
            switch event {
            case .step(let report):
                if json { Terminal.show(jsonLine(report)) }
                line.show(text(report), isDue: report.step % 5 == 0 || report.step == 1)
            case .evaluated(let step, let evaluation):
                line.end()
                Terminal.note(
                    "step \(step): \(evaluation.right) of \(evaluation.answers.count) held-out problems right "
                        + "(\(Terminal.fixed(100 * evaluation.accuracy, 1)) %)")
                if let answer = evaluation.answers.first {
                    let question = answer.question.prompt.last?.content ?? ""
                    Terminal.note(Terminal.dim("  \(question) → \(answer.reply)"))
                }
            case .saved(let step, let path):
                line.end()
                TrainingDisplay.tellSaved(step, path)
            case .notSaved(let step, let why):
                line.end()
                TrainingDisplay.tellNotSaved(step, why)
            }
        }
        line.end()
        if !isDone { throw ExitCode(130) }
        Terminal.note("done: martlet run \(run)")
    }

    private func text(_ report: PolicyReport) -> String {
        let left = report.totalSeconds / Double(report.step) * Double(report.total - report.step)
        return "\(report.step)/\(report.total) reward \(Terminal.fixed(report.reward, 3)) "
            + "useful \(Terminal.fixed(100 * report.usefulGroups, 0))% "
            + "reply \(Terminal.fixed(report.replyTokens, 1)) tok gnorm \(Terminal.fixed(report.gradientNorm, 3)) "
            + "\(Int(clamping: Double(report.tokens) / report.seconds)) tok/s mem \(Terminal.bytes(Terminal.peakMemory)) "
            + "eta \(Terminal.minutes(left))"
    }

    private func jsonLine(_ report: PolicyReport) -> String {
        let line: JSON = [
            "step": .integer(Int64(report.step)), "reward": .number(report.reward), "loss": .number(report.loss),
            "gradient_norm": .number(report.gradientNorm), "reply_tokens": .number(report.replyTokens),
            "finished": .number(report.finished), "useful_groups": .number(report.usefulGroups),
            "rollout_difference": .number(report.largestDifference), "seconds": .number(report.seconds),
        ]
        return line.text() + "\n"
    }
}

extension OptimizerKind: ExpressibleByArgument {}
extension LearningRateSchedule: ExpressibleByArgument {}
