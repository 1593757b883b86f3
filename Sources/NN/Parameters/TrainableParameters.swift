import MartletTensor

/// A parameter in training: its name in the model, its role, and its float32 values, a leaf of the tape.
public struct Parameter: Sendable {
    public let name: String
    public let role: ParameterRole
    public let tensor: Tensor

    public init(name: String, role: ParameterRole, tensor: Tensor) {
        self.name = name
        self.role = role
        self.tensor = tensor
    }
}

/// A source that turns the parameters of another source into float32 leaves that require gradients, and keeps them in
/// order. A model built on it is trainable; `parameters` is what the optimiser gets.
///
/// ```swift
/// let source = TrainableParameters(Initializer(.xavierUniform, seed: 1))
/// let layer = Linear(source, "layer", from: 4, to: 2)
/// let optimizer = AdamW([ParameterGroup(source.parameters)])
/// ```
public final class TrainableParameters: ParameterSource {
    private let source: ParameterSource
    private let isTrained: (String) -> Bool
    /// In order of construction. A shared parameter occurs once.
    public private(set) var parameters: [Parameter] = []
    private var failure: (any Error)?

    /// - Parameter isTrained: returns whether the parameter of this name requires a gradient; the others stay in
    ///   their stored form.
    public init(_ source: ParameterSource, where isTrained: @escaping (String) -> Bool = { _ in true }) {
        self.source = source
        self.isTrained = isTrained
    }

    public func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        let given = source.parameter(name, shape: shape, role: role)
        guard given.shape == shape, isTrained(name) else { return given }
        do {
            // A copy, because the source may be a mapped file.
            let plain = try given.to(.float32)
            let tensor = try (plain.storage === given.storage ? plain.copied() : plain).requiringGrad()
            parameters.append(Parameter(name: name, role: role.plain, tensor: tensor))
            return tensor
        } catch {
            if failure == nil { failure = error }
            return given
        }
    }

    /// A matrix that is not trained stays in whatever form it is stored.
    public func matrix(_ name: String, shape: Shape, role: ParameterRole) -> any WeightMatrix {
        isTrained(name) ? parameter(name, shape: shape, role: role) : source.matrix(name, shape: shape, role: role)
    }

    /// Throws the first error since construction began.
    public func finish() throws { if let failure { throw failure } }

    public var count: Int { parameters.reduce(0) { $0 + $1.tensor.elementCount } }
}
