import MartletTensor

/// A layer with parameters of its own: a leaf of the module tree.
public protocol ModuleLeaf: AnyObject {
    /// Its path in the model, such as "model.layers.3.self_attn.q_proj".
    var path: String { get }
    /// "linear", "norm", "embedding".
    var kind: String { get }
    /// Its own parameters in stored order; a shared parameter that belongs to another layer is not included.
    var parameters: [ModuleParameter] { get }
    /// Functions that observe or replace its results.
    var hooks: LeafHooks { get set }

    /// Replaces each parameter by what `change` returns for it. Only parameters that are tensors are replaced.
    func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows
}

/// A parameter with its path in the model.
public struct ModuleParameter: Sendable {
    /// "model.layers.3.self_attn.q_proj.weight".
    public let path: String
    public let role: ParameterRole
    /// The values: a matrix in any stored form, or a vector.
    public let value: any WeightMatrix

    public init(path: String, role: ParameterRole, value: any WeightMatrix) {
        (self.path, self.role, self.value) = (path, role, value)
    }

    public var count: Int { value.shape.elementCount }
    public var isTrained: Bool { (value as? Tensor)?.requiresGrad ?? value.isTrained }
}

/// Functions that receive what a layer computes. Without hooks the cost is one test.
public struct LeafHooks: Sendable {
    public typealias Hook = @Sendable (_ path: String, _ result: Tensor) throws -> Tensor?

    private var hooks: [(id: Int, body: Hook)] = []

    public init() {}

    public var isEmpty: Bool { hooks.isEmpty }

    mutating func add(_ id: Int, _ body: @escaping Hook) { hooks.append((id, body)) }

    mutating func remove(_ id: Int) { hooks.removeAll { $0.id == id } }

    /// The result after all hooks, called in the order in which they were added.
    /// - Throws: `ModuleError.shapeChanged`, or what a hook throws.
    package func callAsFunction(_ result: Tensor, of path: String) throws -> Tensor {
        var result = result
        for (_, body) in hooks {
            guard let other = try body(path, result) else { continue }
            guard other.shape == result.shape, other.dtype == result.dtype else {
                throw ModuleError.shapeChanged(
                    path: path, found: "\(other.dtype.name) \(other.shape)",
                    expected: "\(result.dtype.name) \(result.shape)")
            }
            result = other
        }
        return result
    }
}

/// Why an operation on the module tree failed.
public enum ModuleError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No path matches the pattern; `near` are similar names.
    case nothingMatches(pattern: String, near: [String])
    /// A hook returned a tensor of another shape than the layer's result.
    case shapeChanged(path: String, found: String, expected: String)
    /// A replacement matrix has the wrong shape, or the layer has no matrix of its own.
    case wrongShape(path: String, found: String, expected: String)
    /// The layer cannot be divided among ranks.
    case cannotDivide(path: String, reason: String)
    /// A frozen parameter was asked for its gradient.
    case isFrozen(path: String)
    /// A parameter in this stored form cannot have a gradient.
    case notTrainable(path: String, storedType: String)
    /// Inputs of eight bits were asked for, and no matrix takes them.
    case noRoundedInputs
    /// An adapter is used after the model that it was made for has been freed.
    case isGone(path: String)

    public var description: String {
        switch self {
        case .nothingMatches(let pattern, let near):
            "no module matches \"\(pattern)\""
                + (near.isEmpty ? "" : "; near names are " + near.map { "\"\($0)\"" }.joined(separator: ", "))
        case .shapeChanged(let path, let found, let expected):
            "a hook on \(path) returned \(found) in place of \(expected)"
        case .wrongShape(let path, let found, let expected):
            "\(path) takes a matrix of \(expected), not \(found)"
        case .cannotDivide(let path, let reason): "\(path) cannot be divided among ranks: \(reason)"
        case .isFrozen(let path):
            "\(path) is frozen and has no gradient: call `ModuleTree.train` with its path before the forward pass"
        case .notTrainable(let path, let storedType):
            "\(path) is stored as \(storedType), which has no gradient: train an adapter on it instead"
        case .noRoundedInputs:
            "no matrix takes inputs of eight bits: those of bitsandbytes' int8 and of compressed-tensors with int8 "
                + "activations for each token do. Make such a folder with martlet quantize --method int8 or smoothquant"
        case .isGone(let path):
            "the adapter of \(path) was made for a model that is no longer in memory: make it again for this one"
        }
    }
}
