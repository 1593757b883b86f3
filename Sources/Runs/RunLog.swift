import MartletFormats
import MartletJSON
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// `log.jsonl`: one JSON object a line, appended as things happen. A run that is resumed or begun again cuts what comes
/// after the step it goes on from; where steps repeat all the same, the later line counts. The same goes to an event file
/// for TensorBoard.
package final class RunLog {
    private var descriptor: Int32
    private let folder: String
    private var events: EventFile?
    /// The end of a line is missing: the disk was full.
    private var isTorn = false

    package init(folder: String) throws {
        self.folder = folder
        descriptor = try Self.opened(folder)
    }

    private static func opened(_ folder: String) throws -> Int32 {
        let path = "\(folder)/\(RunControl.logName)"
        try demandFile(path)
        // Opening a pipe that came here since would wait for a reader.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0o644)
        guard descriptor >= 0 else {
            throw RunError(
                "\(path) cannot be written: \(String(cString: strerror(errno))); steps and scores are noted there")
        }
        return descriptor
    }

    /// - Throws: `RunError` saying what stands there in the place of a file.
    static func demandFile(_ path: String) throws(RunError) {
        guard let reason = InputFile.refusal(of: path) else { return }
        throw RunError("\(path) \(reason.prefix { $0 != ";" }): take it away")
    }

    deinit { close(descriptor) }

    /// What follows is of the steps after `step`: lines of later ones are cut, and so are lines that a process left
    /// torn which ended in the middle of one. The caller has the run's lock.
    package func begin(after step: Int, _ provenance: RunProvenance) throws {
        events = try EventFile(folder: folder, after: step)
        try cut(after: step)
        append(provenance.json)
        events?.text("run", provenance.text, step: step)
        // A request to stop that came when nobody trained is void.
        _ = RunControl.takeStop(folder)
    }

    private func cut(after step: Int) throws {
        let path = "\(folder)/\(RunControl.logName)"
        let bytes = try Folder.read(path, limit: .max)
        guard !bytes.isEmpty else { return }
        var kept: [UInt8] = []
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            // Of a run that begins anew nothing stays, its scores of the model before the first step included.
            guard step > 0, let its = (try? JSON(parsing: Array(line)))?["step"]?.integer, its <= step else { continue }
            kept += line
            kept.append(UInt8(ascii: "\n"))
        }
        guard kept != bytes else { return }
        try AtomicFile.write(path, bytes: kept)
        close(descriptor)
        descriptor = try Self.opened(folder)
    }

    /// - Parameter peak: multiply-adds that the machine can do a second, asked for where the report counts its own.
    package func step(_ report: StepReport, peak: @autoclosure () -> Double) {
        let share = report.operations > 0 ? report.operationsPerSecond / peak() : 0
        let memory = ProcessMemory.peak, isCounted = report.operations > 0
        var scalars = [
            ("train/loss", report.loss), ("train/learning_rate", report.learningRate),
            ("train/gradient_norm", report.gradientNorm), ("speed/tokens_per_second", report.tokensPerSecond),
            ("memory/peak_bytes", Double(memory)),
        ]
        if isCounted { scalars.append(("speed/peak_share", share)) }
        scalars += report.metrics.map { ("train/" + $0.name, $0.value) }
        events?.scalars(scalars.map { (tag: $0.0, value: $0.1) }, step: report.step)
        var members: [JSONObject.Element] = [
            ("kind", "step"), ("step", .integer(Int64(report.step))), ("loss", .number(report.loss)),
            ("learning_rate", .number(report.learningRate)), ("gradient_norm", .number(report.gradientNorm)),
            ("tokens_per_second", .number(report.tokensPerSecond.rounded())),
            ("seconds", .number((report.totalSeconds * 1000).rounded() / 1000)),
        ]
        if isCounted { members.append(("peak_share", .number((share * 10_000).rounded() / 10_000))) }
        members.append(("peak_memory_bytes", .integer(Int64(memory))))
        members += report.metrics.map { ($0.name, .number($0.value)) }
        append(.object(JSONObject(members)))
    }

    /// Before the step's line, so that the end of a log shows its last step.
    package func table(step: Int, _ table: StepTable) {
        guard !table.rows.isEmpty else { return }
        events?.text("train/" + table.kind.rawValue, table.markdown, step: step)
        append(table.json(step: step))
    }

    /// Before the step's line too.
    package func experts(step: Int, _ loads: ExpertLoads) {
        if !loads.loads.isEmpty { append(loads.json(step: step)) }
    }

    package func evaluation(step: Int, _ evaluation: Evaluation) {
        var values = [("validation/loss", evaluation.loss), ("validation/perplexity", evaluation.perplexity)]
        if let bits = evaluation.bitsPerByte { values.append(("validation/bits_per_byte", bits)) }
        values += evaluation.parts.map { ("validation/loss/" + $0.folder, $0.loss) }
        values += evaluation.metrics.map { ("validation/" + $0.name, $0.value) }
        events?.scalars(values.map { (tag: $0.0, value: $0.1) }, step: step)
        events?.text("sample", evaluation.markdown, step: step)
        var members: [JSONObject.Element] = [
            ("kind", "evaluation"), ("step", .integer(Int64(step))), ("loss", .number(evaluation.loss)),
            ("perplexity", .number(evaluation.perplexity)),
            ("bits_per_byte", evaluation.bitsPerByte.map { .number($0) } ?? .null),
        ]
        members += evaluation.metrics.map { ($0.name, .number($0.value)) }
        if let prompt = evaluation.prompt { members.append(("prompt", .string(prompt))) }
        members.append(("sample", .string(evaluation.sample)))
        if !evaluation.parts.isEmpty {
            members.append(("losses", .object(JSONObject(evaluation.parts.map { ($0.folder, .number($0.loss)) }))))
        }
        append(.object(JSONObject(members)))
    }

    package func measure(step: Int, _ measure: HeldOutMeasure) {
        var values = [("validation/loss", measure.loss)]
        values += measure.metrics.map { ("validation/" + $0.name, $0.value) }
        events?.scalars(values.map { (tag: $0.0, value: $0.1) }, step: step)
        var members: [JSONObject.Element] = [
            ("kind", "evaluation"), ("step", .integer(Int64(step))), ("loss", .number(measure.loss)),
            ("count", .integer(Int64(measure.count))), ("unit", .string(measure.unit)),
        ]
        members += measure.metrics.map { ($0.name, .number($0.value)) }
        if let interval = measure.accuracyInterval {
            members.append(("accuracy_interval", [.number(interval.lowerBound), .number(interval.upperBound)]))
        }
        append(.object(JSONObject(members)))
    }

    /// - Parameter json: totals and categories, as they are printed.
    package func score(step: Int, task: String, accuracy: Double, _ json: JSON) {
        events?.scalars([("score/" + task, accuracy)], step: step)
        var members = json.object ?? JSONObject()
        members["kind"] = "score"
        members["step"] = .integer(Int64(step))
        append(.object(members))
    }

    /// A log that cannot be written must not end hours of training.
    private func append(_ line: JSON) {
        let bytes = Array(((isTorn ? "\n" : "") + line.text() + "\n").utf8)
        let written = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if written > 0 { isTorn = written < bytes.count }
    }
}
