import MartletTensor

/// Where the parameters of a model under construction come from: a checkpoint, or an initialiser.
///
/// A source does not throw for a parameter it cannot give: it notes the fact and answers with a placeholder, so that
/// one error at the end names everything that is missing.
public protocol ParameterSource: AnyObject {
    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor
    /// The matrix `[out, in]` of a linear layer, in whatever form it is stored.
    func matrix(_ name: String, shape: Shape, role: ParameterRole) -> any WeightMatrix
    /// Hears of a layer that has been built.
    func register(_ leaf: any ModuleLeaf)
}

extension ParameterSource {
    public func matrix(_ name: String, shape: Shape, role: ParameterRole) -> any WeightMatrix {
        parameter(name, shape: shape, role: role)
    }

    public func register(_ leaf: any ModuleLeaf) {}
}

/// What a parameter does, which decides how it is initialised, decayed and optimised.
public enum ParameterRole: Sendable, Equatable {
    /// A matrix `[out, in]` that activations are multiplied with.
    case weight
    /// As `weight`, of a layer whose result is added to the residual stream.
    case residualWeight
    /// Rows that are looked up.
    case embedding
    /// The factor of a norm, which begins as `initial`.
    case scale(initial: Float)
    /// Added; begins as 0.
    case bias

    /// Whether weight decay is usual: for matrices, not for what scales or shifts.
    public var isDecayed: Bool { self == .weight || self == .residualWeight || self == .embedding }
}
