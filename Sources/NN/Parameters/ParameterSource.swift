import MartletTensor

/// The source of a model's parameters while the model is built: a checkpoint, or an initialiser.
///
/// A source does not throw for a parameter that it cannot provide: it records the problem and returns a placeholder, so
/// that one error at the end lists everything that is missing.
public protocol ParameterSource: AnyObject {
    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor
    /// The matrix `[out, in]` of a linear layer, in the form in which it is stored.
    func matrix(_ name: String, shape: Shape, role: ParameterRole) -> any WeightMatrix
    /// Called for every layer that has been built.
    func register(_ leaf: any ModuleLeaf)
}

extension ParameterSource {
    public func matrix(_ name: String, shape: Shape, role: ParameterRole) -> any WeightMatrix {
        parameter(name, shape: shape, role: role)
    }

    public func register(_ leaf: any ModuleLeaf) {}
}

/// The function of a parameter, which determines how it is initialised, decayed and optimised.
public enum ParameterRole: Sendable, Equatable {
    /// A matrix `[out, in]` that activations are multiplied with.
    case weight
    /// Like `weight`, in a layer whose result is added to the residual stream.
    case residualWeight
    /// A lookup table.
    case embedding
    /// The scale of a norm, initially `initial`.
    case scale(initial: Float)
    /// A bias, initially 0.
    case bias
    /// One of these that begins by a rule of its own. Only sources of parameters are asked with it.
    indirect case ruled(InitialRule, as: ParameterRole)

    /// The function without how it begins.
    public var plain: ParameterRole { if case .ruled(_, let role) = self { role.plain } else { self } }

    /// Whether it usually has weight decay: true for matrices, false for scales and biases.
    public var isDecayed: Bool { [.weight, .residualWeight, .embedding].contains(plain) }
}
