import MartletModels
import MartletNN

/// What a method takes in memory, counted from shapes before anything is read: `martlet quantize … --method … --dry-run`.
public struct QuantizationMemory: Sendable, Equatable {
    /// The model's files. They are mapped: the system lets go of their pages where memory is short.
    public var mapped = 0
    /// Packed matrices, which are held until the folder is written.
    public var packed = 0
    /// Hessians of one pass over the calibration text, at most, and the passes that makes.
    public var hessians = 0
    public var passes = 0
    /// The blocks of all Hessians along their diagonals, which `awq` keeps for the limits of its grids.
    public var blocks = 0
    /// What looking at a layer's inputs takes beside them, or encoding one matrix, whichever is more: its weights in float32,
    /// its codes, and of `gptq` the Hessian again, its factor and the inverse of that in float64.
    public var working = 0
    /// What must be there, beside what is mapped.
    public var needed: Int { packed + hessians + blocks + working }
}

extension PackedExport {
    /// - Parameters:
    ///   - memory: bytes that the Hessians of one pass may take.
    ///   - window: tokens of a window of the calibration text, if not the usual ones.
    public func memoryNeeded(
        _ memory: Int = PackedExport.hessianBytes, window: Int? = nil
    ) throws -> QuantizationMemory {
        var plan = QuantizationMemory()
        plan.mapped = files.checkpoint.tensors.byteCount
        for tensor in tensors where packed.contains(tensor.name) {
            let count = tensor.shape.elementCount, inputs = tensor.shape[1]
            plan.packed += Int((Double(count) * options.bitsPerWeight(inputs: inputs) / 8).rounded(.up))
            // float32, what folding makes of it, a byte for each code, and the words.
            var own = count * (4 + 4 + 1 + 1)
            if options.method == .gptq {
                own += inputs * inputs * (4 + 8 + 8 + 4 + (options.actOrder ? 4 : 0))
            }
            plan.working = max(plan.working, own)
        }
        guard options.method.needsCalibration else { return plan }
        let decoder = try files.decoder(), configuration = decoder.configuration
        let window = window ?? TextWindows.usualLength(context: configuration.contextLength)
        // A window's keys, values and states; the widest of them twice.
        let cache = KVCache(configuration, precision: .exact, type: .f16)
        let widest = decoder.tree.linears.filter { matrices[$0.path] != nil }.map { max($0.inputSize, $0.outputSize) }
        let pass = cache.byteCount(tokens: window, rows: window) + 4 * 4 * window * (widest.max() ?? 0)
        guard options.method != .smoothquant else {
            plan.working = max(plan.working, pass)
            return plan
        }
        let batches = hessianBatches(decoder, memory)
        plan.passes = batches.count
        if options.method == .awq {
            plan.blocks = batches.joined().reduce(0) { $0 + 4 * $1.layers[0].inputSize * options.groupSize }
        }
        plan.hessians = batches.map { $0.reduce(0) { $0 + $1.bytes } }.max() ?? 0
        // A window's own Hessian, before it is added.
        plan.working = max(plan.working, pass + (batches.flatMap { $0.map(\.bytes) }.max() ?? 0))
        return plan
    }
}

extension QuantizationMethodOptions {
    /// What a weight of a packed matrix takes, with its share of scales and zeros.
    func bitsPerWeight(inputs: Int) -> Double {
        switch method {
        case .rtn, .gptq: Double(bits) + Double(16 + bits) / Double(groupSize)
        case .awq: 4 + 20 / Double(groupSize)
        case .mlx: Double(bits) + 32 / Double(groupSize)
        // 64 weights have a scale of eight bits, 256 such scales one of 32.
        case .nf4, .fp4: 4 + 8 / 64.0 + 32 / (64.0 * 256)
        case .int8, .smoothquant, .fp8, .fp8e5m2: 8 + 32 / Double(max(inputs, 1))
        }
    }
}
