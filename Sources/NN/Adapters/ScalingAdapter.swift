import MartletTensor

/// Multiplies inputs or outputs of a layer by a trained vector that is initialised with ones (IA³, Liu et al. 2022):
/// the outputs of key and value projections, the inputs of the last projection of a feed-forward layer.
public final class ScalingAdapter: LinearAdapter {
    public let name: String
    public var isEnabled = true
    /// `[1, in]` to scale inputs, `[out, 1]` to scale outputs, as PEFT stores it.
    public let vector: Tensor
    public let changesInput: Bool
    private let key: String
    private let part: JoinedPart?

    public init(
        of layer: Linear, vector: Tensor, scalesInput: Bool, part: JoinedPart? = nil, key: String? = nil,
        name: String = "default"
    ) throws {
        let outputs = part.map { max($0.rows.upperBound, vector.shape.first ?? 0) } ?? layer.outputSize
        let expected: Shape = scalesInput ? [1, layer.inputSize] : [outputs, 1]
        guard vector.shape == expected else {
            throw ModuleError.wrongShape(path: layer.path, found: "\(vector.shape)", expected: "\(expected)")
        }
        (self.vector, changesInput, self.part) = (vector, scalesInput, part)
        (self.key, self.name) = (key ?? layer.path, name)
    }

    public var parameters: [Parameter] {
        part.ownsParameters ? [Parameter(name: key + ".ia3_l", role: .scale(initial: 1), tensor: vector)] : []
    }

    public func input(_ x: Tensor) throws -> Tensor { changesInput ? try x * vector : x }

    public func callAsFunction(_ x: Tensor, _ y: Tensor, _ draw: AdapterDraw?) throws -> Tensor {
        changesInput ? y : try y * part.rows(of: vector).reshape(1, -1)
    }

    public func merged(_ weight: Tensor, bias: Tensor?) throws -> (weight: Tensor, bias: Tensor?) {
        guard !changesInput else { return (try weight * vector, bias) }
        let rows = try part.rows(of: vector)  // [out, 1]
        return (try weight * rows, try bias.map { try $0 * rows.reshape([-1]) })
    }
}
