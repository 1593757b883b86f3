import MartletModels
import MartletNN
import MartletTensor
import Synchronization

/// Looks at what linear layers are given, by their paths: it hangs on a layer as an adapter does and leaves its result
/// alone.
final class InputCapture: LinearAdapter {
    let name = "capture"
    var isEnabled = true
    let parameters: [Parameter] = []
    private let look: (Tensor) throws -> Void

    init(_ look: @escaping (Tensor) throws -> Void) { self.look = look }

    func callAsFunction(_ x: Tensor, _ y: Tensor, _ draw: AdapterDraw?) throws -> Tensor {
        try look(x)
        return y
    }

    func merged(_ weight: Tensor, bias: Tensor?) throws -> (weight: Tensor, bias: Tensor?) { (weight, bias) }

    /// Runs `body` while `look` hears of every input of the matching layers, `[tokens, in]`.
    static func during<Result>(
        _ layers: [Linear], _ look: @escaping (Linear, Tensor) throws -> Void, _ body: () throws -> Result
    ) rethrows -> Result {
        let captures = layers.map { layer in
            let capture = InputCapture { [unowned layer] x in try look(layer, x) }
            layer.adapters.append(capture)
            return capture
        }
        defer {
            for (layer, capture) in zip(layers, captures) { layer.adapters.removeAll { $0 === capture } }
        }
        return try body()
    }
}

extension ImportanceMatrix {
    /// Runs a text through a model and adds up the squares of what each matrix is multiplied with. The memory is one
    /// number for each column of each matrix.
    ///
    /// - Parameters:
    ///   - decoder: as it is, prepared or not.
    ///   - progress: windows that are done and how many there are; what it throws ends the computation.
    public init(
        _ decoder: Decoder, _ precision: Precision, _ windows: TextWindows, origin: String,
        progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws {
        self.init()
        self.origin = origin
        var sums: [String: (sum: Tensor, count: Int)] = [:]
        try InputCapture.during(decoder.tree.linears) { layer, x in
            let squares = try noGrad { try x.square().sum(0) }  // [in]
            if let old = sums[layer.path] {
                sums[layer.path] = (try noGrad { try old.sum + squares }, old.count + x.shape[0])
            } else {
                sums[layer.path] = (squares, x.shape[0])
            }
        } _: {
            for (number, window) in windows.windows.enumerated() {
                _ = try WindowPass.hidden(window, decoder, precision)
                try progress(number + 1, windows.windows.count)
            }
        }
        chunks = windows.windows.count
        for layer in decoder.tree.linears {
            if let (sum, count) = sums[layer.path] {
                modules[layer.path] = Statistics(sums: [try sum.toArray(as: Float.self)], counts: [Float(count)])
            } else if layer.path.contains(".experts.") {
                // An expert that no token has been sent to.
                modules[layer.path] = Statistics(
                    sums: [[Float](repeating: 0, count: layer.inputSize)], counts: [0])
            }
        }
    }
}
