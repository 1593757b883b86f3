import MartletFormats
import MartletJSON

/// What a run folder says about itself: its log and its configuration.
public struct RunRecord: Sendable {
    public struct Step: Sendable {
        public let step: Int
        public let loss, learningRate, gradientNorm, tokensPerSecond, seconds: Double
    }
    public struct Evaluation: Sendable {
        public let step: Int
        public let loss: Double
        public let bitsPerByte: Double?
        public let sample: String
    }

    public let name: String
    public private(set) var steps: [Step] = []
    public private(set) var evaluations: [Evaluation] = []
    /// Options of the newest checkpoint; empty before the first.
    public let configuration: [(name: String, value: String)]

    /// - Parameter path: the run's folder.
    /// - Throws: `TrainingError` when it has no log, or a line of it is broken before the last (a run that is being
    ///   written may end in half a line).
    public init(path: String) throws {
        let file = path + "/log.jsonl"
        guard Folder.isFile(file) else { throw TrainingError(.data, "\(path) is no run: it has no log.jsonl") }
        name = path.split(separator: "/").last.map(String.init) ?? path
        let lines = try Folder.read(file).split(separator: UInt8(ascii: "\n"))
        var steps: [Int: Step] = [:], evaluations: [Int: Evaluation] = [:]
        for (index, bytes) in lines.enumerated() {
            guard let line = try? JSON(parsing: Array(bytes)), let step = line["step"]?.integer,
                let loss = line["loss"]?.double
            else {
                if index == lines.count - 1 { break }
                throw TrainingError(.data, "\(file), line \(index + 1): expected an object with step and loss")
            }
            if line["kind"]?.string == "evaluation" {
                evaluations[step] = Evaluation(
                    step: step, loss: loss, bitsPerByte: line["bits_per_byte"]?.double,
                    sample: line["sample"]?.string ?? "")
            } else {
                // Of a step that was done again after a resume, the later line counts.
                steps[step] = Step(
                    step: step, loss: loss, learningRate: line["learning_rate"]?.double ?? 0,
                    gradientNorm: line["gradient_norm"]?.double ?? 0,
                    tokensPerSecond: line["tokens_per_second"]?.double ?? 0, seconds: line["seconds"]?.double ?? 0)
            }
        }
        self.steps = steps.values.sorted { $0.step < $1.step }
        self.evaluations = evaluations.values.sorted { $0.step < $1.step }
        let newest = TrainingCheckpoint.list(run: path).usable.last?.state["configuration"]?.object
        configuration = newest?.map { ($0.key, $0.value.text()) } ?? []
    }
}
