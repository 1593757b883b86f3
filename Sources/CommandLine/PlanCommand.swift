import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say what a model will cost to train, before anything is made.",
        discussion: """
            Parameters, floating-point operations, memory by kind and the time at a throughput, counted from the shape \
            alone: of a depth with options as `martlet train` takes them, or of a model's folder or GGUF file.

            Examples:
              martlet plan --depth 12 --batch 32
              martlet plan --params 100M --tokens 2B
              martlet plan --depth 12 --set hidden_size=1024 --tokens 1e9
              martlet plan --depth 8 --arch qwen3-moe --experts 16 --active 2
              martlet plan smollm2 --length 2048 --whole-square
            """)

    @Argument(help: "A model, instead of --depth.", completion: .models) var model: String?
    @Option(help: "Layers; the dial that sets every size.") var depth: Int?
    @Option(
        name: [.customLong("params"), .customLong("parameters")],
        help: "Parameters, as 100M or 1.3B, instead of --depth: the depth that comes nearest.")
    var parameters: LargeCount?
    @Option(name: [.customLong("arch"), .customLong("family")], help: "The architecture, as of martlet train.")
    var family: String?
    @Option(help: "Experts of each layer, of a family with mixtures.") var experts: Int?
    @Option(name: [.customLong("active"), .customLong("active-experts")], help: "Experts that process a token.")
    var active: Int?
    @Option(name: .customLong("set"), help: "An option as name=value, as of martlet train.") var settings: [String] = []
    @Option(help: "Tokens of the vocabulary; 8192 when left out.") var vocabulary: Int?
    @Option(help: "Rows of a micro-batch.") var batch: Int?
    @Option(help: "Tokens of a row.") var length: Int?
    @Option(help: "Tokens to train on, for the time, as 2B or 1e9.") var tokens = LargeCount(1e8, "100M")
    @Option(help: "Floating-point operations a second; measured on this machine when left out.") var throughput: Double?
    @Option(help: "The share of them that training reaches.") var share = 0.7
    @Flag(help: "Count attention's whole square, as papers do, instead of the causal half.") var wholeSquare = false
    @Flag(help: "One JSON object on standard output.") var json = false

    func validate() throws {
        let isShaped =
            depth != nil || parameters != nil || family != nil || experts != nil || active != nil || vocabulary != nil
            || !settings.isEmpty
        guard model == nil || !isShaped else {
            throw ValidationError(
                "give a model, or --depth, --params, --arch, --experts, --active, --vocabulary and --set")
        }
        guard depth == nil || parameters == nil else {
            throw ValidationError("--params chooses the depth: give it, or --depth")
        }
        if let model, LargeCount(argument: model) != nil, (try? ModelLocator.locate(model)) == nil {
            throw ValidationError(
                "there is no model \"\(model)\"; for one of so many parameters write --params \(model)")
        }
        try demand("--batch", batch, 1...1_000_000, "rows")
        try demand("--length", length, 1...1 << 30, "tokens")
        try demand("--params", parameters?.value, 1...1e15)
        try demand("--tokens", tokens.value, above: 0, to: 1e18)
        try demand("--share", share, above: 0, to: 1)
        try demand("--throughput", throughput, above: 0, to: 1e24, "operations a second")
        try demand("--vocabulary", vocabulary, Self.vocabularies, "tokens")
    }

    /// What a vocabulary may hold: token ids have 31 bits.
    static let vocabularies = 1...Int(Int32.max)

    func run() throws {
        let architecture: NewArchitecture
        var rows = batch ?? 8, options: ResolvedOptions?, depth = depth
        if let model {
            architecture = .decoder(
                try ModelFiles.opened(ModelLocator.locate(model) { Terminal.note($0) }).checkpoint
                    .decoderConfiguration())
        } else {
            var given = TrainingOptions()
            if let family { try given.set("family", text: family, from: "--arch") }
            if let experts { try given.set("experts", .integer(Int64(experts)), from: "--experts") }
            if let active { try given.set("active_experts", .integer(Int64(active)), from: "--active") }
            if let length { try given.set("context_length", .integer(Int64(length))) }
            for setting in settings { try given.set(assignment: setting) }
            if let parameters { depth = try nearestDepth(to: parameters.value, given) }
            if let depth { try given.set("depth", .integer(Int64(depth))) }
            let resolved = try ResolvedOptions(given, vocabularySize: vocabulary ?? 8192)
            rows = batch ?? resolved.rowsPerMicroBatch
            options = resolved
            architecture = try resolved.architecture()
        }
        // With options, rows are as long as training makes them.
        let length = length ?? options?.rows.length ?? min(architecture.contextLength ?? 512, 1024)
        let cost = TrainingCost(architecture, length: length, countsWholeSquare: wholeSquare)
        let memory =
            options?.memory(cost, rows: rows) ?? cost.memory(tokens: rows.multiplied(clampedBy: length))
        let throughput = throughput ?? MachinePeak.operationsPerSecond
        let seconds = cost.trainingPerToken * tokens.value / (throughput * share)
        if let parameters, let depth {
            Terminal.note(
                "martlet: --depth \(depth) is nearest to \(parameters) parameters, with \(grouped(cost.parameters))")
        }
        if json {
            show(cost, memory, depth, rows, length, throughput, seconds)
        } else {
            tell(cost, memory, rows, length, throughput, seconds)
        }
    }

    /// The depth whose model has the number of parameters that is nearest; a deeper one never has fewer.
    private func nearestDepth(to parameters: Double, _ given: TrainingOptions) throws -> Int {
        func count(_ depth: Int) throws -> Double {
            var given = given
            try given.set("depth", .integer(Int64(depth)))
            let resolved = try ResolvedOptions(given, vocabularySize: vocabulary ?? 8192)
            return Double(TrainingCost(try resolved.architecture(), length: resolved.rows.length).parameters)
        }
        var low = 1, high = 256
        while low < high {
            let middle = (low + high) / 2
            if try count(middle) < parameters { low = middle + 1 } else { high = middle }
        }
        guard low > 1 else { return low }
        return try parameters - count(low - 1) < count(low) - parameters ? low - 1 : low
    }

    private func tell(
        _ cost: TrainingCost, _ memory: [(kind: String, bytes: Int)], _ rows: Int, _ length: Int, _ throughput: Double,
        _ seconds: Double
    ) {
        var lines = ["parameters            \(grouped(cost.parameters))"]
        if cost.activeParameters < cost.parameters {
            lines.append("  of a token          \(grouped(cost.activeParameters))")
        }
        for (part, count) in cost.parametersByPart { lines.append("  \(padded(part, 20))\(grouped(count))") }
        lines.append(
            "forward, one row      \(engineering(cost.forwardPerToken * Double(length))) operations of \(length) tokens"
        )
        for (part, count) in cost.operationsByPart {
            lines.append(
                "  \(padded(part, 22))\(engineering(count * Double(length)))  \(percent(count / cost.forwardPerToken))")
        }
        lines.append(
            "training step         \(engineering(cost.trainingPerToken * Double(rows) * Double(length))) of \(rows) × \(length) tokens"
        )
        let needed = memory.reduce(0) { $0.adding(clamped: $1.bytes) }
        let room = MachineMemory().total.map { needed > $0 ? "; there are \(Terminal.bytes($0)) here" : "" } ?? ""
        lines.append("memory                \(Terminal.bytes(needed))\(room)")
        for (kind, bytes) in memory { lines.append("  \(padded(kind, 20))\(Terminal.bytes(bytes))") }
        lines.append("cache, a token        \(Terminal.bytes(cost.cacheBytesPerToken))")
        if cost.stateBytes > 0 { lines.append("  states              \(Terminal.bytes(cost.stateBytes))") }
        lines.append("  of \(padded("\(length) tokens", 17))\(Terminal.bytes(cost.cacheBytes(tokens: length)))")
        lines.append(
            "\(engineering(tokens.value)) tokens         \(ElapsedTime.text(seconds)) at \(percent(share)) of "
                + "\(engineering(throughput)) operations/s")
        Terminal.show(lines.joined(separator: "\n") + "\n")
    }

    private func show(
        _ cost: TrainingCost, _ memory: [(kind: String, bytes: Int)], _ depth: Int?, _ rows: Int, _ length: Int,
        _ throughput: Double, _ seconds: Double
    ) {
        func object(_ pairs: [(String, JSON)]) -> JSON { .object(JSONObject(pairs)) }
        let line: JSON = [
            "parameters": .integer(Int64(cost.parameters)),
            "active_parameters": .integer(Int64(cost.activeParameters)),
            "parameters_by_part": object(cost.parametersByPart.map { ($0.part, .integer(Int64($0.count))) }),
            "depth": depth.map { .integer(Int64($0)) } ?? .null, "rows": .integer(Int64(rows)),
            "length": .integer(Int64(length)),
            "forward_operations_per_row": .number(cost.forwardPerToken * Double(length)),
            "forward_operations_by_part": object(
                cost.operationsByPart.map { ($0.part, .number($0.count * Double(length))) }),
            "training_operations_per_step": .number(cost.trainingPerToken * Double(rows) * Double(length)),
            "memory_bytes": object(memory.map { ($0.kind, .integer(Int64($0.bytes))) }),
            "cache_bytes_per_token": .integer(Int64(cost.cacheBytesPerToken)),
            "state_bytes": .integer(Int64(cost.stateBytes)),
            "cache_bytes": .integer(Int64(cost.cacheBytes(tokens: length))), "tokens": .number(tokens.value),
            "operations_per_second": .number(throughput), "share": .number(share),
            "seconds": .number(seconds.rounded(to: 1)),
        ]
        Terminal.show(line.text() + "\n")
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    private func grouped(_ count: Int) -> String {
        var digits = Array(String(count))
        for place in stride(from: digits.count - 3, to: 0, by: -3) { digits.insert(",", at: place) }
        return String(digits)
    }

    /// "4.513e12"
    private func engineering(_ value: Double) -> String {
        guard value > 0 else { return "0" }
        guard value.isFinite else { return "\(value)" }
        var exponent = 0, mantissa = value
        while mantissa >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
        return "\(mantissa.rounded(to: 3))e\(exponent)"
    }

    private func percent(_ share: Double) -> String { "\((share * 100).rounded(to: 1)) %" }
}
