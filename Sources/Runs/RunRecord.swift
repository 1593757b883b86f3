import MartletFormats
import MartletJSON
import MartletSystem

/// What a run folder says about itself: its log and its configuration.
public struct RunRecord: Sendable {
    public struct Step: Sendable {
        public let step: Int
        public let loss, learningRate, gradientNorm, tokensPerSecond, seconds: Double
        /// Mean reward of the step's replies, in reinforcement learning.
        public let reward: Double?
        /// Of the machine's multiply-adds, from 0 to 1; and the most bytes the process had, where the log says.
        public let peakShare, peakMemory: Double?
    }
    /// How many questions of a task were answered right.
    public struct Score: Sendable {
        public let step: Int
        public let task: String
        public let right, count: Int
        public let categories: [(name: String, right: Int, count: Int)]
        public var accuracy: Double { Double(right) / Double(max(count, 1)) }
    }
    public struct Evaluation: Sendable {
        public let step: Int
        public let loss: Double
        public let perplexity, bitsPerByte: Double?
        /// What the model was given, where the log says so apart, and what it wrote.
        public let prompt: String?
        public let sample: String
        /// Of training before it.
        public internal(set) var minutes = 0.0
    }
    public struct Option: Sendable {
        public let name, value: String
        /// Who set it, or what it follows from; nil in runs that do not say.
        public let origin: String?
        /// Nobody could choose it: it is the parent run's, as a model's shape is that training went on from.
        public var isInherited = false
        /// Somebody gave it; it does not follow from others.
        public var isGiven = true
    }

    public let name: String
    public private(set) var steps: [Step] = []
    public private(set) var evaluations: [Evaluation] = []
    /// In the order they were made; `martlet eval` adds to them.
    public private(set) var scores: [Score] = []
    /// Further numbers of steps by name, as TRL calls them ("rewards/margins", "kl", "entropy"), in ascending order.
    public private(set) var metrics: [String: [(step: Int, value: Double)]] = [:]
    /// The same of evaluations.
    public private(set) var heldOutMetrics: [String: [(step: Int, value: Double)]] = [:]
    /// Replies and pairs of the last step that logged some, of each kind.
    public private(set) var tables: [(step: Int, table: StepTable)] = []
    /// Loads of a mixture's experts in the last step that logged some.
    public private(set) var expertLoads: (step: Int, loads: ExpertLoads)?
    /// Of each process that trained, in order.
    public private(set) var provenance: [RunProvenance] = []
    /// Of `configuration.json`, or of the newest checkpoint where there is none.
    public let configuration: [Option]
    /// `profile.json`, where the run was profiled.
    let profile: JSON?
    /// Lines of the log that are no whole record, by number from 1, and are left out: a full disk or a process that was
    /// ended tears them. Half a line at the end, as a run has that is being written, does not count.
    public private(set) var unreadableLines: [Int] = []

    /// - Parameter path: the run's folder.
    /// - Throws: `RunError` when it has no log.
    public init(path: String) throws {
        let file = path + "/log.jsonl"
        guard Folder.exists(file) else {
            let why = Folder.exists(path) ? "is no run: it has no log.jsonl" : "is not there"
            // The folder of all runs, as `martlet serve --runs` takes it.
            let inner = RunFolders(path: path).names.sorted()
            guard let first = inner.first else {
                throw RunError("\(path) \(why); name the folder that training was given as --out")
            }
            let shown = inner.prefix(5).joined(separator: ", ") + (inner.count > 5 ? ", …" : "")
            let folder = path.hasSuffix("/") ? path : path + "/"
            throw RunError(
                "\(path) \(why); it holds the runs \(shown): name those that are meant, as \(folder)\(first)")
        }
        if let reason = InputFile.refusal(of: file) { throw RunError("\(file) \(reason)") }
        name = path.split(separator: "/").last.map(String.init) ?? path
        let bytes = try Folder.read(file, limit: .max)
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        var steps: [Int: Step] = [:], evaluations: [Int: Evaluation] = [:]
        var metrics = MetricColumns(), heldOut = MetricColumns()
        for (index, bytes) in lines.enumerated() where !bytes.isEmpty {
            let parsed = try? JSON(parsing: Array(bytes))
            if let parsed, parsed["kind"]?.string == "run" {
                if let found = RunProvenance(parsed) {
                    provenance.append(found)
                } else {
                    unreadableLines.append(index + 1)
                }
                continue
            }
            if let parsed, parsed["kind"]?.string == "score" {
                scores.append(Self.score(parsed))
                continue
            }
            if let parsed, let loads = ExpertLoads(parsed) {
                expertLoads = (parsed["step"]?.integer?.narrowed(to: Self.steps) ?? 0, loads)
                continue
            }
            if let parsed, let table = StepTable(parsed) {
                let step = parsed["step"]?.integer?.narrowed(to: Self.steps) ?? 0
                tables.removeAll { $0.table.kind == table.kind }
                tables.append((step, table))
                continue
            }
            guard let line = parsed, let step = line["step"]?.integer?.narrowed(to: Self.steps),
                let loss = line["loss"]?.double
            else {
                // The last line has its end or is being written.
                if index < lines.count - 1 { unreadableLines.append(index + 1) }
                continue
            }
            if line["kind"]?.string == "evaluation" {
                evaluations[step] = Evaluation(
                    step: step, loss: loss, perplexity: line["perplexity"]?.double,
                    bitsPerByte: line["bits_per_byte"]?.double,
                    prompt: line["prompt"]?.string, sample: line["sample"]?.string ?? "")
                heldOut.add(line, step: step)
            } else {
                // Of a step that was done again after a resume, the later line counts.
                steps[step] = Step(
                    step: step, loss: loss, learningRate: line["learning_rate"]?.double ?? 0,
                    gradientNorm: line["gradient_norm"]?.double ?? 0,
                    tokensPerSecond: line["tokens_per_second"]?.double ?? 0, seconds: line["seconds"]?.double ?? 0,
                    reward: line["reward"]?.double, peakShare: line["peak_share"]?.double,
                    peakMemory: line["peak_memory_bytes"]?.double)
                metrics.add(line, step: step)
            }
        }
        self.steps = steps.values.sorted { $0.step < $1.step }
        self.evaluations = evaluations.values.sorted { $0.step < $1.step }
        self.metrics = metrics.sorted
        heldOutMetrics = heldOut.sorted
        configuration = Self.options(path)
        profile = Self.object(path + "/profile.json")
        for index in self.evaluations.indices {
            let step = self.evaluations[index].step
            let before = self.steps.last { $0.step <= step }
            self.evaluations[index].minutes = (before?.seconds ?? 0) / 60
        }
    }

    /// What a step may be numbered, in a log as in a checkpoint.
    package static let steps = 0...(1 << 40)
    /// Steps of a run that ends with its minutes.
    package static let unboundedSteps = 1_000_000

    private static func object(_ path: String) -> JSON? { (try? Folder.read(path)).flatMap { try? JSON(parsing: $0) } }

    static func options(_ path: String) -> [Option] {
        let own = object(path + "/configuration.json")
        let newest = own == nil ? newestState(path)?["configuration"] : nil
        let given = own?["given"]?.array.map { Set($0.compactMap(\.string)) }
        func option(_ name: String, _ value: JSON, isInherited: Bool = false) -> Option {
            let origin = own?["origins"]?[name]?.string ?? (isInherited ? "the model's" : nil)
            // Runs of older versions say only where values came from.
            let isGiven = given?.contains(name) ?? (origin.map { $0 != "none" && !$0.hasPrefix("default") } ?? true)
            return Option(
                name: name, value: value.isNull ? "" : value.string ?? value.text(), origin: origin,
                isInherited: isInherited, isGiven: isGiven && !isInherited)
        }
        let members = (own ?? newest)?.object ?? JSONObject()
        return (members["inherited"]?.object ?? JSONObject()).map { option($0.key, $0.value, isInherited: true) }
            + members.filter { !["origins", "inherited", "given"].contains($0.key) }.map { option($0.key, $0.value) }
    }

    /// What the newest checkpoint says of itself; nil where none can be read.
    private static func newestState(_ run: String) -> JSON? {
        let folder = run + "/checkpoints"
        return folderNames(folder).filter { $0.hasPrefix("step-") }.sorted(by: >).lazy
            .filter { Folder.isFile("\(folder)/\($0)/manifest.json") }
            .compactMap { object("\(folder)/\($0)/trainer_state.json") }.first
    }

    private static func score(_ line: JSON) -> Score {
        let categories = (line["categories"]?.object ?? JSONObject()).map {
            (name: $0.key, right: $0.value["right"]?.integer ?? 0, count: $0.value["questions"]?.integer ?? 0)
        }
        return Score(
            step: line["step"]?.integer?.narrowed(to: steps) ?? 0, task: line["task"]?.string ?? "",
            right: line["right"]?.integer ?? 0, count: line["questions"]?.integer ?? 0, categories: categories)
    }
}

/// Numbers of a log's lines by name, without those that have fields of their own. Of a step that was done again after a
/// resume, the later line counts.
private struct MetricColumns {
    private var columns: [String: [Int: Double]] = [:]
    /// More names than any run has are noise.
    private static let mostNames = 256
    private static let fields: Set<String> = [
        "kind", "step", "loss", "learning_rate", "gradient_norm", "tokens_per_second", "seconds", "reward",
        "peak_share", "peak_memory_bytes", "perplexity", "bits_per_byte", "prompt", "sample", "losses", "count", "unit",
    ]

    mutating func add(_ line: JSON, step: Int) {
        guard let members = line.object else { return }
        for member in members where !Self.fields.contains(member.key) {
            guard let value = member.value.double, value.isFinite else { continue }
            guard columns.count < Self.mostNames || columns[member.key] != nil else { continue }
            columns[member.key, default: [:]][step] = value
        }
    }

    var sorted: [String: [(step: Int, value: Double)]] {
        columns.mapValues { column in
            column.sorted { $0.key < $1.key }.map { (step: $0.key, value: $0.value) }
        }
    }
}
