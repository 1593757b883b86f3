import MartletTensor

/// Convolution over one or two dimensions: every window becomes a row of a matrix (im2col), which is multiplied with
/// the weights. PyTorch's layout: weight `[out, in / groups, size…]`, bias `[out]`.
///
/// ```swift
/// let source = Initializer(.kaimingNormal, seed: 1)
/// let layer = Convolution(source, "conv", from: 3, to: 16, size: [3, 3], padding: [1, 1])
/// let y = try layer(images)      // [batch, 3, height, width] -> [batch, 16, height, width]
/// ```
public final class Convolution: ModuleLeaf {
    public let path: String
    public var kind: String { "convolution" }
    public private(set) var weight: Tensor
    public private(set) var bias: Tensor?
    public let windows: Windows
    public let groups: Int
    public var hooks = LeafHooks()

    /// - Parameters:
    ///   - size: of the window, one number per dimension.
    ///   - stride: one number per dimension; 1 by default.
    public init(
        _ source: ParameterSource, _ name: String, from inputs: Int, to outputs: Int, size: [Int],
        stride: [Int]? = nil, padding: [Int]? = nil, dilation: [Int]? = nil, groups: Int = 1, bias: Bool = true
    ) {
        path = name
        let shape = Shape([outputs, inputs / max(1, groups)] + size)
        weight = source.parameter(name + ".weight", shape: shape, role: .weight)
        self.bias = bias ? source.parameter(name + ".bias", shape: [outputs], role: .bias) : nil
        windows = Windows(size, stride: stride ?? size.map { _ in 1 }, padding: padding, dilation: dilation)
        self.groups = groups
        source.register(self)
    }

    public var parameters: [ModuleParameter] {
        [ModuleParameter(path: path + ".weight", role: .weight, value: weight)]
            + (bias.map { [ModuleParameter(path: path + ".bias", role: .bias, value: $0)] } ?? [])
    }

    public func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        for parameter in parameters {
            if parameter.role == .bias {
                bias = try bias.map { try change(parameter, $0) }
            } else {
                weight = try change(parameter, weight)
            }
        }
    }

    /// - Parameter x: `[batch, in, …]`. Returns `[batch, out, …]`.
    /// - Throws: `TensorError` when shapes do not fit.
    public func callAsFunction(_ x: Tensor) throws -> Tensor {
        let outputs = weight.shape[0], inputs = weight.shape[1]
        guard x.rank == windows.rank + 2, groups > 0, x.shape[1] == inputs * groups, outputs % groups == 0 else {
            throw TensorError(
                .shape, "convolution", "weights \(weight.shape) in \(groups) groups do not fit \(x.shape)")
        }
        let seen = try windows.over(x, filler: 0, "convolution")  // [batch, in, out…, size…]
        let rank = windows.rank, places = Array(seen.shape[2..<2 + rank])
        // [batch, out…, channels, size…]: the contents of a window become a row.
        let rows = try seen.permute([0] + Array(2..<2 + rank) + [1] + Array(2 + rank..<2 + 2 * rank))
        let count = x.shape[0] * places.reduce(1, *), width = weight.elementCount / max(1, outputs)
        let matrix = try weight.reshape(outputs, width)  // [out, in / groups * size…]
        var results: [Tensor] = []
        for group in 0..<groups {
            let part = groups == 1 ? rows : try rows.narrow(1 + rank, from: group * inputs, length: inputs)
            let size = outputs / groups, first = group * size
            let input = try part.reshape(count, width).contiguous()  // [batch * out…, in / groups * size…]
            let factor = groups == 1 ? matrix : try matrix.narrow(0, from: first, length: size).contiguous()
            let shift = try bias.map { groups == 1 ? $0 : try $0.narrow(0, from: first, length: size).contiguous() }
            results.append(try Fused.linear(input, [(factor, shift)])[0])  // [batch * out…, out / groups]
        }
        let joined = groups == 1 ? results[0] : try Tensor.concatenate(results, axis: 1)  // [batch * out…, out]
        let result = try joined.reshape([x.shape[0]] + places + [outputs])
            .permute([0, rank + 1] + Array(1...rank)).contiguous()  // [batch, out, out…]
        return hooks.isEmpty ? result : try hooks(result, of: path)
    }
}
