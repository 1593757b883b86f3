import MartletJSON

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// `log.jsonl`: one JSON object a line, appended as things happen. A resumed run appends; where steps repeat, the later
/// line counts.
final class RunLog {
    private let descriptor: Int32

    init(path: String) throws {
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        guard descriptor >= 0 else {
            throw TrainingError(.checkpoint, "\(path): \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    func step(_ report: StepReport) {
        write([
            "kind": "step", "step": .integer(Int64(report.step)), "loss": .number(report.loss),
            "learning_rate": .number(report.learningRate), "gradient_norm": .number(report.gradientNorm),
            "tokens_per_second": .number(report.tokensPerSecond.rounded()),
            "seconds": .number((report.totalSeconds * 1000).rounded() / 1000),
        ])
    }

    func evaluation(step: Int, _ evaluation: Evaluation) {
        write([
            "kind": "evaluation", "step": .integer(Int64(step)), "loss": .number(evaluation.loss),
            "perplexity": .number(evaluation.perplexity),
            "bits_per_byte": evaluation.bitsPerByte.map { .number($0) } ?? .null, "sample": .string(evaluation.sample),
        ])
    }

    /// A log that cannot be written must not end hours of training.
    private func write(_ line: JSON) {
        let bytes = Array((line.text() + "\n").utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}
