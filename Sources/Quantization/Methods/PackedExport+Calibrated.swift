import MartletFormats
import MartletModels
import MartletNN
import MartletTensor

/// What a text shows of the inputs of layers: H = Σ x xᵀ, or the largest magnitude of each.
struct CalibrationStatistics {
    var hessian: Tensor?
    var largest: Tensor?
    var tokens = 0

    /// Runs the text and looks at the inputs of some layers.
    static func gathered(
        _ layers: [Linear], of decoder: Decoder, _ windows: TextWindows, hessians: Bool,
        progress: (String, Int, Int) throws -> Void
    ) throws -> [String: CalibrationStatistics] {
        var found: [String: CalibrationStatistics] = [:]
        try InputCapture.during(layers) { layer, x in
            try noGrad {
                let isFinite = try x.to(.float32).contiguous().withHostValues { $0.allSatisfy { $0.isFinite } }
                guard isFinite else { throw QuantizationError.badInputs(layer.path) }
                var statistics = found[layer.path] ?? CalibrationStatistics()
                statistics.tokens += x.shape[0]
                if hessians {
                    let product = try x.transposed().contiguous().matmul(x)  // [in, in]
                    if let sum = statistics.hessian { try sum += product } else { statistics.hessian = product }
                } else {
                    let most = try x.abs().max(axes: [0])  // [in]
                    statistics.largest = try statistics.largest.map { try $0.maximum(most) } ?? most
                }
                found[layer.path] = statistics
            }
        } _: {
            for (number, window) in windows.windows.enumerated() {
                _ = try WindowPass.hidden(window, decoder, .exact)
                try progress("calibration", number + 1, windows.windows.count)
            }
        }
        return found
    }
}

extension PackedExport {
    /// Layers with the same input: the first of them is looked at for all.
    struct SharedInput {
        var layers: [Linear]
        var bytes: Int { layers[0].inputSize * layers[0].inputSize * 4 }
    }

    private func sharedInputs(_ decoder: Decoder) -> [SharedInput] {
        let paths = Set(matrices.keys)
        var order: [String] = [], sets: [String: SharedInput] = [:]
        for layer in decoder.tree.linears where paths.contains(layer.path) {
            var key = layer.path
            for (name, first) in [
                ("self_attn.k_proj", "self_attn.q_proj"), ("self_attn.v_proj", "self_attn.q_proj"),
                ("mlp.up_proj", "mlp.gate_proj"),
            ] where key.hasSuffix(name) && paths.contains(String(key.dropLast(name.count)) + first) {
                key = String(key.dropLast(name.count)) + first
            }
            if sets[key] == nil { order.append(key) }
            sets[key, default: SharedInput(layers: [])].layers.append(layer)
        }
        return order.compactMap { sets[$0] }
    }

    /// The inputs whose Hessians are gathered in one pass over the text: as many as `memory` has room for, one at least.
    func hessianBatches(_ decoder: Decoder, _ memory: Int) -> [[SharedInput]] {
        var batches: [[SharedInput]] = [], bytes = 0
        for next in sharedInputs(decoder) {
            if batches.isEmpty || bytes + next.bytes > memory {
                batches.append([])
                bytes = 0
            }
            batches[batches.count - 1].append(next)
            bytes += next.bytes
        }
        return batches
    }

    /// Calls `body` with every set of layers and the Hessian of its input, as many at a time as there is memory for. Every
    /// layer sees what the original weights before it give, not the quantised ones.
    private func forEachHessian(
        _ decoder: Decoder, _ windows: TextWindows, _ memory: Int, _ progress: (String, Int, Int) throws -> Void,
        _ body: ([Linear], CalibrationStatistics) throws -> Void
    ) throws {
        let batches = hessianBatches(decoder, memory), all = batches.joined().reduce(0) { $0 + $1.layers.count }
        var done = 0
        for batch in batches {
            var found = try CalibrationStatistics.gathered(
                batch.map { $0.layers[0] }, of: decoder, windows, hessians: true, progress: progress)
            for set in batch {
                guard let statistics = found.removeValue(forKey: set.layers[0].path) else {
                    throw QuantizationError.singularHessian(set.layers[0].path)
                }
                try body(set.layers, statistics)
                done += set.layers.count
                try progress("matrix", done, all)
            }
        }
    }

    /// The matrices that are quantised, by the paths of their layers.
    var matrices: [String: WrittenTensor] {
        Dictionary(uniqueKeysWithValues: tensors.filter { packed.contains($0.name) }.map { ($0.modules[0], $0) })
    }

    /// GPTQ.
    func compensated(
        _ windows: TextWindows, _ memory: Int, _ progress: (String, Int, Int) throws -> Void
    ) throws -> [String: [SafetensorsWriter.Planned]] {
        let decoder = try files.decoder(), matrices = matrices
        var result: [String: [SafetensorsWriter.Planned]] = [:]
        try forEachHessian(decoder, windows, memory, progress) { layers, statistics in
            let hessian = try statistics.hessian?.toArray(as: Float.self)
            for layer in layers {
                guard let tensor = matrices[layer.path] else { continue }
                result[tensor.name] = try encoded(tensor, weight(of: tensor), hessian: hessian)
            }
        }
        return result
    }

    /// AWQ: factors first, then the limits of grids, which are searched with what the factors leave.
    func activationAware(
        _ windows: TextWindows, _ memory: Int, _ progress: (String, Int, Int) throws -> Void
    ) throws -> ([String: [SafetensorsWriter.Planned]], FoldedScales, [String]) {
        let decoder = try files.decoder(), matrices = matrices, size = options.groupSize
        let groups = InputGroup.all(of: decoder.configuration).filter { $0.layers.allSatisfy { matrices[$0] != nil } }
        var byLayer: [String: InputGroup] = [:]
        for group in groups { for layer in group.layers { byLayer[layer] = group } }
        var folded = FoldedScales(), blocks: [String: Tensor] = [:], unscaled: [String] = []
        try forEachHessian(decoder, windows, memory, progress) { layers, statistics in
            guard let hessian = statistics.hessian else { return }
            if let group = byLayer[layers[0].path] {
                let weights = try group.layers.compactMap { try matrices[$0].map { try weight(of: $0) } }
                folded.add(
                    group,
                    try AWQ.factors(
                        weights, hessian: hessian, tokens: statistics.tokens, bits: options.bits, groupSize: size))
            } else {
                unscaled += layers.map(\.path)
            }
            // The parts of H that belong to each group.
            let parts = try stride(from: 0, to: hessian.shape[0], by: size).map { first in
                try hessian.narrow(0, from: first, length: size).narrow(1, from: first, length: size)
            }
            let own = try Tensor.concatenate(parts).contiguous()  // [in, size]
            for layer in layers { blocks[layer.path] = own }
        }
        var result: [String: [SafetensorsWriter.Planned]] = [:], done = 0
        for (path, tensor) in matrices.sorted(by: { $0.key < $1.key }) {
            var weight = try weight(of: tensor, folded)
            // Products of queries and keys are hurt more by a cut than they gain.
            let isCut = !path.hasSuffix("q_proj") && !path.hasSuffix("k_proj")
            if isCut, var own = blocks[path] {
                if let factors = folded.columns[path] {
                    // x is divided by the factors now.
                    let rows = try Tensor(factors, shape: [factors.count, 1])
                    let columns = try Tensor(factors, shape: [factors.count / size, 1, size])
                    own = try ((own / rows).view(factors.count / size, size, size) / columns).view(factors.count, size)
                }
                let limits = try AWQ.clips(weight, blocks: own, bits: options.bits, groupSize: size)
                weight = try AWQ.clipped(weight, limits, groupSize: size)
            }
            result[tensor.name] = try encoded(tensor, weight)
            done += 1
            try progress("limits", done, matrices.count)
        }
        return (result, folded, Self.note(unscaled, "scaled"))
    }

    /// SmoothQuant: one pass, a number for each input.
    func smoothed(
        _ windows: TextWindows, _ progress: (String, Int, Int) throws -> Void
    ) throws -> (FoldedScales, [String]) {
        let decoder = try files.decoder(), matrices = matrices
        let groups = InputGroup.all(of: decoder.configuration).filter { $0.layers.allSatisfy { matrices[$0] != nil } }
        let firsts = Set(groups.map { $0.layers[0] })
        let found = try CalibrationStatistics.gathered(
            decoder.tree.linears.filter { firsts.contains($0.path) }, of: decoder, windows, hessians: false,
            progress: progress)
        var folded = FoldedScales()
        for group in groups {
            guard let largest = try found[group.layers[0]]?.largest?.toArray(as: Float.self) else { continue }
            let weights = try group.layers.compactMap { try matrices[$0].map { try weight(of: $0) } }
            folded.add(
                group, try SmoothQuant.factors(weights, largest: largest, migration: options.migration))
        }
        return (folded, Self.note(matrices.keys.filter { folded.columns[$0] == nil }.sorted(), "smoothed"))
    }

    private static func note(_ paths: [String], _ done: String) -> [String] {
        guard let first = paths.first else { return [] }
        return [
            "the inputs of \(paths.count) matrices are not \(done), since nothing before them alone can take the factors in: "
                + first + (paths.count > 1 ? ", …" : "")
        ]
    }
}
