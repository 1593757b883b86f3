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

/// A budget of compute to practise scaling laws with, as the training API of CS336's third assignment has it: trainings of
/// chosen shapes are asked for, their losses told, and their compute counted against a limit.
///
/// No model is trained. Losses come from a law of our own that `seed` chooses (Chinchilla's form, and more for shapes, rates
/// and batches that are off), with a noise of 0.2 % that is the same for the same question. Asking again for what was asked
/// costs nothing; a question that would exceed the limit is refused and costs nothing either.
public final class PracticeBudget {
    /// A training that is asked for.
    public struct Configuration: Sendable, Hashable {
        public var width, layers, heads, batch: Int
        public var learningRate: Double
        public var compute: Double

        /// 12 · layers · width², as the assignment counts them.
        public var parameters: Double { 12 * Double(layers) * Double(width) * Double(width) }

        public static let batches = [128, 256]
        public static let computes: [Double] = [
            1e13, 3e13, 6e13, 1e14, 3e14, 6e14, 1e15, 3e15, 6e15, 1e16, 3e16, 6e16, 1e17, 3e17, 6e17, 1e18,
        ]

        /// From the parameters of a query.
        /// - Throws: `EvaluationError` naming the one that is missing or out of its range.
        public init(_ value: (String) -> String?) throws(EvaluationError) {
            func number(_ name: String) throws(EvaluationError) -> Double {
                guard let text = value(name) else { throw EvaluationError("query", field: name, "is missing") }
                guard let number = Double(text), number.isFinite else {
                    throw EvaluationError("query", field: name, "is \(text.quoted()), no number")
                }
                return number
            }
            func whole(_ name: String, _ range: ClosedRange<Int>) throws(EvaluationError) -> Int {
                let found = try number(name)
                guard let whole = Int(exactly: found), range.contains(whole) else {
                    throw EvaluationError(
                        "query", field: name, "is \(found); expected \(range.lowerBound) to \(range.upperBound)")
                }
                return whole
            }
            width = try whole("d_model", 64...1024)
            layers = try whole("num_layers", 2...24)
            heads = try whole("num_heads", 2...16)
            batch = try whole("batch_size", 128...256)
            learningRate = try number("learning_rate")
            compute = try number("train_flops")
            guard Self.batches.contains(batch) else {
                throw EvaluationError("query", field: "batch_size", "is \(batch); expected 128 or 256")
            }
            guard (1e-4...1e-3).contains(learningRate) else {
                throw EvaluationError("query", field: "learning_rate", "is \(learningRate); expected 1e-4 to 1e-3")
            }
            guard Self.computes.contains(compute) else {
                let list = Self.computes.map { ScalingSeries.short($0) }.joined(separator: ", ")
                throw EvaluationError("query", field: "train_flops", "is \(compute); expected one of \(list)")
            }
        }

        public var json: JSONObject {
            [
                "d_model": .integer(Int64(width)), "num_layers": .integer(Int64(layers)),
                "num_heads": .integer(Int64(heads)), "batch_size": .integer(Int64(batch)),
                "learning_rate": .number(learningRate), "train_flops": .number(compute),
            ]
        }
    }

    public let limit: Double
    public let law: ChinchillaLoss
    /// What was asked, in order, with the losses.
    public private(set) var runs: [(configuration: Configuration, loss: Double)] = []
    public var used: Double { runs.reduce(0) { $0 + $1.configuration.compute } }
    private let seed: UInt64
    private let path: String?

    /// - Parameters:
    ///   - path: a file (JSONL) that remembers what was asked; read at the beginning.
    /// - Throws: `EvaluationError` for a file of another seed or limit, or that cannot be read.
    public init(limit: Double = 2e18, seed: UInt64 = 1, path: String? = nil) throws {
        guard limit > 0, limit.isFinite else { throw EvaluationError("scaling", field: "--budget", "is not above 0") }
        (self.limit, self.seed, self.path) = (limit, seed, path)
        func pick(_ index: UInt64, _ range: ClosedRange<Double>) -> Double {
            range.lowerBound + (range.upperBound - range.lowerBound) * Self.uniform(seed, index)
        }
        law = ChinchillaLoss(
            floor: pick(1, 1.5...1.9), parameterFactor: pick(2, 200...500), parameterExponent: pick(3, 0.30...0.38),
            tokenFactor: pick(4, 250...600), tokenExponent: pick(5, 0.26...0.34))
        guard let path, Folder.isFile(path) else { return }
        for (index, line) in try Folder.read(path).split(separator: 0x0A).enumerated() {
            let json = try? JSON(parsing: Array(line))
            if index == 0 {
                guard json?["seed"]?.integer == Int(clamping: seed), json?["limit"]?.double == limit else {
                    throw EvaluationError(path, "is of another seed or budget; choose another --file")
                }
                continue
            }
            func text(_ name: String) -> String? { json?[name]?.double.map { "\($0)" } }
            guard let loss = json?["loss"]?.double, let own = try? Configuration(text) else {
                throw EvaluationError(path, place: "line \(index + 1)", "is no training of this budget")
            }
            runs.append((own, loss))
        }
    }

    /// The loss of a training.
    /// - Throws: `EvaluationError` where the budget does not pay for it.
    public func loss(_ configuration: Configuration) throws -> Double {
        if let known = runs.first(where: { $0.configuration == configuration }) { return known.loss }
        guard used + configuration.compute <= limit else {
            throw EvaluationError(
                "budget",
                "\(ScalingSeries.short(configuration.compute)) FLOPs are more than what is left: \(ScalingSeries.short(used)) of \(ScalingSeries.short(limit)) are used"
            )
        }
        let loss = value(configuration)
        runs.append((configuration, loss))
        if let path {
            var lines =
                JSON.object(["seed": .integer(Int64(clamping: seed)), "limit": .number(limit)]).bytes() + [0x0A]
            for run in runs {
                var json = run.configuration.json
                json["loss"] = .number(run.loss)
                lines += JSON.object(json).bytes() + [0x0A]
            }
            try AtomicFile.write(path, bytes: lines)
        }
        return loss
    }

    /// The law's loss at the best shape, rate and batch, more where they are off, and noise.
    private func value(_ run: Configuration) -> Double {
        let tokens = run.compute / (6 * run.parameters)
        let ideal = law(parameters: run.parameters, tokens: tokens)
        func off(_ value: Double, _ best: Double) -> Double { log(value / best) * log(value / best) }
        // Deeper than wide, or the other way; heads of 64; a rate that falls with the size.
        let aspect = off(Double(run.width) / Double(run.layers), 48 * pow(run.parameters / 1e7, 0.15))
        let heads = off(Double(run.width) / Double(run.heads), 64)
        let rate = off(run.learningRate, 6e-4 * pow(run.parameters / 1e7, -0.2))
        let batch = run.batch == 256 ? 0.004 : 0
        let words =
            [run.width, run.layers, run.heads, run.batch].map { UInt64($0) }
            + [run.learningRate.bitPattern, run.compute.bitPattern]
        let mixed = words.reduce(seed) { ($0 ^ $1) &* 0x9E37_79B9_7F4A_7C15 }
        let noise = 0.002 * (2 * Self.uniform(mixed, 9) - 1)
        // A model that sees fewer tokens than a few batches hardly learns.
        return min(11, ideal * (1 + 0.006 * aspect + 0.003 * heads + 0.012 * rate + batch + noise))
    }

    /// From 0 to 1 (SplitMix64).
    private static func uniform(_ seed: UInt64, _ index: UInt64) -> Double {
        var z = seed &+ index &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Double((z ^ (z >> 31)) >> 11) / Double(1 << 53)
    }
}
