import MartletInference
import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers

/// How far a model's predictions are from another's on the same text: what quantisation cost.
///
/// For every scored token KL(p ‖ q) = Σ p (log p − log q), p being the reference's distribution over the vocabulary.
public struct ModelComparison: Sendable {
    /// A token where the two models are far apart.
    public struct Place: Sendable {
        public let divergence: Double
        /// What stood before, the token that came, and what each model would have said.
        public let before: String
        public let token: String
        public let reference: String
        public let candidate: String
    }

    /// Relative error of one tensor: ‖w − ŵ‖ / ‖w‖.
    public struct TensorError: Sendable {
        public let name: String
        public let type: String
        public let error: Double
    }

    public let path: String
    /// Bytes of the weights' files, of all tensors.
    public let byteCount: Int
    /// Bytes that its weights take while it is computed with: packed matrices, tables and vectors.
    public let memoryByteCount: Int
    public let bitsPerWeight: Double
    public let perplexity: Perplexity
    public let referencePerplexity: Perplexity
    /// The mean over the scored tokens of −log q less −log p, with its standard error: ln of the quotient of both
    /// perplexities. What both models find hard alike is in neither, so that the error is far below that of a perplexity.
    public let lossDifference: (mean: Double, standardError: Double)
    /// Of every scored token, in order.
    public let divergences: [Float]
    /// The position of each in its window, or in its document.
    public let positions: [Int]
    /// The share of tokens for which both models find the same one most probable.
    public let sameTop: Double
    public let worst: [Place]
    public let tensors: [TensorError]
    public let tokensPerSecond: Double

    public var meanDivergence: Double {
        divergences.reduce(0) { $0 + Double($1) } / Double(max(divergences.count, 1))
    }

    /// The divergence that so many of the tokens stay under.
    public func divergence(quantile: Double) -> Double {
        let sorted = divergences.sorted()
        guard !sorted.isEmpty else { return 0 }
        return Double(sorted[min(sorted.count - 1, Int(quantile * Double(sorted.count)))])
    }

    public var largestDivergence: Double { Double(divergences.max() ?? 0) }

    /// Mean divergences of runs of positions.
    public func byPosition(parts: Int = 32) -> [(position: Int, divergence: Double)] {
        guard let low = positions.min(), let high = positions.max() else { return [] }
        let width = max(1, (high - low + parts) / parts)
        var sums: [Int: (sum: Double, count: Int)] = [:]
        for (position, divergence) in zip(positions, divergences) {
            sums[(position - low) / width, default: (0, 0)].sum += Double(divergence)
            sums[(position - low) / width, default: (0, 0)].count += 1
        }
        return sums.sorted { $0.key < $1.key }.map { (low + $0.key * width, $0.value.sum / Double($0.value.count)) }
    }
}

/// A model that is compared, ready to compute.
public struct ComparedModel {
    public let path: String
    let files: ModelFiles
    let decoder: Decoder
    let tokenizer: Tokenizer
    let precision: Precision
    let cache: KVCacheType

    /// - Parameter cache: how its keys and values are stored.
    public init(path: String, precision: Precision, cache: KVCacheType = .f16) throws {
        self.path = path
        self.cache = cache
        files = try ModelFiles(path: path)
        decoder = try files.decoder()
        tokenizer = try files.tokenizer()
        self.precision = precision
        try decoder.prepare(precision)
    }

    public var weightsByteCount: Int { files.checkpoint.tensors.byteCount }
    /// Matrices as they are packed for products, and everything else as it is stored.
    var memoryByteCount: Int {
        let linears = decoder.tree.linears, paths = Set(linears.map(\.path))
        let rest = decoder.tree.parameters.filter { parameter in
            !paths.contains(String(parameter.path.dropLast(".weight".count)))
        }
        return linears.reduce(0) { $0 + $1.preparedByteCount } + rest.reduce(0) { $0 + $1.value.byteCount }
    }
    /// Of the model's numbers, not of the words that codes are packed in.
    var bitsPerWeight: Double {
        8 * Double(weightsByteCount) / Double(max(decoder.configuration.parameterCounts.all, 1))
    }

    /// Of greedy decoding after one token; 0 where the context is too short to say.
    func tokensPerSecond() throws -> Double {
        let count = min(64, decoder.configuration.contextLength - 2)
        guard count > 0 else { return 0 }
        return try decoder.benchmark(precision, cacheType: cache, promptTokens: 1, newTokens: count, seed: 0)
            .newTokensPerSecond
    }
}

extension ModelComparison {
    /// Runs a text through both models, window by window.
    /// - Parameters:
    ///   - progress: windows that are done and how many there are; what it throws ends the computation.
    /// - Throws: `QuantizationError.differentVocabularies`.
    public init(
        reference: ComparedModel, candidate: ComparedModel, windows: TextWindows,
        progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws {
        let size = reference.decoder.configuration.vocabularySize
        guard candidate.decoder.configuration.vocabularySize == size else {
            throw QuantizationError.differentVocabularies(
                candidate.path, candidate.decoder.configuration.vocabularySize, reference.path, size)
        }
        var first: [Double] = [], second: [Double] = [], divergences: [Float] = [], positions: [Int] = [], same = 0
        var worst: [(divergence: Float, window: Int, row: Int, tops: (Int32, Int32))] = []
        for (number, window) in windows.windows.enumerated() {
            let a = try WindowPass.hidden(window, reference.decoder, reference.precision, reference.cache)
            let b = try WindowPass.hidden(window, candidate.decoder, candidate.precision, candidate.cache)
            try WindowPass.forBlocks(window) { rows in
                let p = try WindowPass.logProbabilities(a, rows, reference.decoder)
                let q = try WindowPass.logProbabilities(b, rows, candidate.decoder)
                let targets = rows.map { window.tokens[$0 + 1] }
                first += try WindowPass.picked(p, targets)
                second += try WindowPass.picked(q, targets)
                let found = try noGrad { try (p.exp() * (p - q)).sum(1).toArray(as: Float.self) }
                let tops = try zip(p.argmax(1).toArray(as: Int64.self), q.argmax(1).toArray(as: Int64.self))
                for ((row, divergence), (left, right)) in zip(zip(rows, found), tops) {
                    // Rounding may leave a little less than nothing.
                    divergences.append(max(divergence, 0))
                    positions.append(row - window.begin(ofRow: row))
                    if left == right { same += 1 }
                    worst.append((divergence, number, row, (Int32(left), Int32(right))))
                }
                worst.sort { $0.divergence > $1.divergence }
                worst.removeLast(max(worst.count - 10, 0))
            }
            try progress(number + 1, windows.windows.count)
        }
        path = candidate.path
        byteCount = candidate.weightsByteCount
        memoryByteCount = candidate.memoryByteCount
        bitsPerWeight = candidate.bitsPerWeight
        perplexity = Perplexity(logProbabilities: second)
        referencePerplexity = Perplexity(logProbabilities: first)
        lossDifference = Self.paired(first, second)
        self.divergences = divergences
        self.positions = positions
        sameTop = Double(same) / Double(max(divergences.count, 1))
        let tokenizer = reference.tokenizer
        func spelled(_ ids: some Sequence<Int32>) -> String { (try? tokenizer.decode(Array(ids))) ?? "" }
        self.worst = worst.map { place in
            let window = windows.windows[place.window], tokens = window.tokens
            let begin = max(window.begin(ofRow: place.row), place.row - 30)
            return Place(
                divergence: Double(place.divergence), before: spelled(tokens[begin...place.row]),
                token: spelled([tokens[place.row + 1]]), reference: spelled([place.tops.0]),
                candidate: spelled([place.tops.1]))
        }
        tensors = try Self.tensorErrors(reference.files.checkpoint, candidate.files.checkpoint)
        tokensPerSecond = try candidate.tokensPerSecond()
    }

    /// The mean of a − b and its standard error.
    static func paired(_ a: [Double], _ b: [Double]) -> (mean: Double, standardError: Double) {
        let differences = zip(a, b).map { $0 - $1 }, count = Double(max(differences.count, 1))
        let mean = differences.reduce(0, +) / count
        let squares = differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (mean, differences.count > 1 ? (squares / (count - 1) / count).squareRoot() : 0)
    }

    /// Errors of the matrices that both have under the same name; of their published forms, whatever the files are.
    private static func tensorErrors(_ reference: Checkpoint, _ candidate: Checkpoint) throws -> [TensorError] {
        let others = Dictionary(try candidate.folderTensors().map { ($0.name, $0) }) { first, _ in first }
        var errors: [TensorError] = []
        for tensor in try reference.folderTensors() {
            guard let other = others[tensor.name], other.shape == tensor.shape, tensor.shape.rank == 2 else { continue }
            let a = try tensor.make(), b = try other.make()
            var miss = 0.0, whole = 0.0
            let strip = max(1, (1 << 22) / max(tensor.shape[1], 1))
            for first in stride(from: 0, to: tensor.shape[0], by: strip) {
                let rows = first..<min(first + strip, tensor.shape[0])
                let x = try a.float32Rows(rows), y = try b.float32Rows(rows)
                miss += try (x - y).square().sum(axes: [0, 1]).item(as: Double.self)
                whole += try x.square().sum(axes: [0, 1]).item(as: Double.self)
            }
            errors.append(
                TensorError(
                    name: tensor.name, type: other.stored?.name ?? "F32",
                    error: whole > 0 ? (miss / whole).squareRoot() : 0))
        }
        return errors
    }
}
