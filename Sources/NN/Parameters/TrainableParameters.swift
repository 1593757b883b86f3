import MartletTensor

/// A parameter in training: its name as in the model, what it does, and its float32 values, a leaf of the tape.
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

/// Passes on what a source gives, as float32 leaves of their own that want gradients, and remembers them in order.
/// Building a model on it makes the model trainable; `parameters` is what an optimiser works on.
public final class TrainableParameters: ParameterSource {
    private let source: ParameterSource
    private let isTrained: (String) -> Bool
    /// In the order of construction. A shared parameter stands once.
    public private(set) var parameters: [Parameter] = []
    private var failure: (any Error)?

    /// - Parameter isTrained: says by name which parameters want gradients; the others stay as they are stored.
    public init(_ source: ParameterSource, where isTrained: @escaping (String) -> Bool = { _ in true }) {
        self.source = source
        self.isTrained = isTrained
    }

    public func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        let given = source.parameter(name, shape: shape, role: role)
        guard given.shape == shape, isTrained(name) else { return given }
        do {
            // A copy, since the source may be a mapped file.
            let plain = try given.to(.float32)
            let tensor = try (plain.storage === given.storage ? plain.copied() : plain).requiringGrad()
            parameters.append(Parameter(name: name, role: role, tensor: tensor))
            return tensor
        } catch {
            if failure == nil { failure = error }
            return given
        }
    }

    /// Throws what went wrong since the start.
    public func finish() throws { if let failure { throw failure } }

    public var count: Int { parameters.reduce(0) { $0 + $1.tensor.elementCount } }
}
