import MartletJSON

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// `log.jsonl`: one JSON object a line, appended as things happen. A resumed run appends; where steps repeat, the later
/// line counts. The same goes to an event file for TensorBoard.
final class RunLog {
    private let descriptor: Int32
    private let folder: String
    private var events: EventFile?

    init(folder: String) throws {
        self.folder = folder
        let path = "\(folder)/\(RunControl.logName)"
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        guard descriptor >= 0 else {
            throw TrainingError(.checkpoint, "\(path): \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    /// What follows is of the steps after `step`. Until `end`, others see that the run is being trained.
    func begin(after step: Int) throws {
        events = try EventFile(folder: folder, after: step)
        flock(descriptor, LOCK_SH)
        // A wish from before, that nobody was there to grant.
        _ = RunControl.takeStop(folder)
    }

    func end() { flock(descriptor, LOCK_UN) }

    func step(_ report: StepReport) {
        let share = report.operationsPerSecond / MachinePeak.operationsPerSecond
        let memory = ProcessMemory.peak
        events?.scalars(
            [
                ("train/loss", report.loss), ("train/learning_rate", report.learningRate),
                ("train/gradient_norm", report.gradientNorm), ("speed/tokens_per_second", report.tokensPerSecond),
                ("speed/peak_share", share), ("memory/peak_bytes", Double(memory)),
            ], step: report.step)
        write([
            "kind": "step", "step": .integer(Int64(report.step)), "loss": .number(report.loss),
            "learning_rate": .number(report.learningRate), "gradient_norm": .number(report.gradientNorm),
            "tokens_per_second": .number(report.tokensPerSecond.rounded()),
            "seconds": .number((report.totalSeconds * 1000).rounded() / 1000),
            "peak_share": .number((share * 10_000).rounded() / 10_000), "peak_memory_bytes": .integer(Int64(memory)),
        ])
    }

    func evaluation(step: Int, _ evaluation: Evaluation) {
        var values = [("validation/loss", evaluation.loss), ("validation/perplexity", evaluation.perplexity)]
        if let bits = evaluation.bitsPerByte { values.append(("validation/bits_per_byte", bits)) }
        values += evaluation.parts.map { ("validation/loss/" + $0.folder, $0.loss) }
        events?.scalars(values.map { (tag: $0.0, value: $0.1) }, step: step)
        events?.text("sample", evaluation.sample, step: step)
        var members: [JSONObject.Element] = [
            ("kind", "evaluation"), ("step", .integer(Int64(step))), ("loss", .number(evaluation.loss)),
            ("perplexity", .number(evaluation.perplexity)),
            ("bits_per_byte", evaluation.bitsPerByte.map { .number($0) } ?? .null),
            ("sample", .string(evaluation.sample)),
        ]
        if !evaluation.parts.isEmpty {
            members.append(("losses", .object(JSONObject(evaluation.parts.map { ($0.folder, .number($0.loss)) }))))
        }
        write(.object(JSONObject(members)))
    }

    func policy(_ report: PolicyReport) {
        events?.scalars(
            [
                ("train/reward", report.reward), ("train/loss", report.loss),
                ("train/gradient_norm", report.gradientNorm), ("train/useful_groups", report.usefulGroups),
                ("replies/tokens", report.replyTokens), ("replies/finished", report.finished),
                ("memory/peak_bytes", Double(ProcessMemory.peak)),
            ], step: report.step)
        write([
            "kind": "step", "step": .integer(Int64(report.step)), "loss": .number(report.loss),
            "learning_rate": .number(report.learningRate), "gradient_norm": .number(report.gradientNorm),
            "tokens_per_second": .number((Double(report.tokens) / report.seconds).rounded()),
            "seconds": .number((report.totalSeconds * 1000).rounded() / 1000), "reward": .number(report.reward),
            "reply_tokens": .number(report.replyTokens), "finished": .number(report.finished),
            "useful_groups": .number(report.usefulGroups),
            "rollout_difference": .number(report.largestDifference),
        ])
    }

    func score(step: Int, _ evaluation: QuestionEvaluation) {
        events?.scalars([("score/" + evaluation.task, evaluation.accuracy)], step: step)
        var members = evaluation.json().object ?? JSONObject()
        members["kind"] = "score"
        members["step"] = .integer(Int64(step))
        write(.object(members))
    }

    /// A log that cannot be written must not end hours of training.
    private func write(_ line: JSON) {
        let bytes = Array((line.text() + "\n").utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}
