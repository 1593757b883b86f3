import MartletTensor

/// A layer that holds parameters of its own: what the tree of a model ends in.
public protocol ModuleLeaf: AnyObject {
    /// Where it stands in the model: "model.layers.3.self_attn.q_proj".
    var path: String { get }
    /// "linear", "norm", "embedding".
    var kind: String { get }
    /// Its own parameters in the order they are stored; one that belongs to another layer is not among them.
    var parameters: [ModuleParameter] { get }
    /// What looks at its results, or puts others in their place.
    var hooks: LeafHooks { get set }

    /// Puts the tensor that `change` makes of each parameter in its place. A weight that is held in another form than a
    /// tensor stays as it is.
    func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows
}

/// A parameter by the path it has in the model.
public struct ModuleParameter: Sendable {
    /// "model.layers.3.self_attn.q_proj.weight".
    public let path: String
    public let role: ParameterRole
    /// The numbers: a matrix in any form, or a vector.
    public let value: any WeightMatrix

    public init(path: String, role: ParameterRole, value: any WeightMatrix) {
        (self.path, self.role, self.value) = (path, role, value)
    }

    public var count: Int { value.shape.elementCount }
    public var isTrained: Bool { (value as? Tensor)?.requiresGrad ?? value.isTrained }
}

/// Functions that see what a layer computes. Empty, they cost a test.
public struct LeafHooks: Sendable {
    public typealias Hook = @Sendable (_ path: String, _ result: Tensor) throws -> Tensor?

    private var hooks: [(id: Int, body: Hook)] = []

    public init() {}

    public var isEmpty: Bool { hooks.isEmpty }

    mutating func add(_ id: Int, _ body: @escaping Hook) { hooks.append((id, body)) }

    mutating func remove(_ id: Int) { hooks.removeAll { $0.id == id } }

    /// The result after all hooks, in the order they were added.
    /// - Throws: `ModuleError.shapeChanged`, or what a hook throws.
    func callAsFunction(_ result: Tensor, of path: String) throws -> Tensor {
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

/// What a tree of modules was asked that it cannot do.
public enum ModuleError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No path matches; `near` are names that look like it.
    case nothingMatches(pattern: String, near: [String])
    /// A hook gave back something that does not fit where the layer's result goes.
    case shapeChanged(path: String, found: String, expected: String)
    /// Only matrices of their own can be exchanged.
    case wrongShape(path: String, found: String, expected: String)
    /// A layer of which no part can be kept.
    case cannotDivide(path: String, reason: String)
    /// A parameter that is not trained was asked for its gradient.
    case isFrozen(path: String)
    /// A parameter of this form has no gradient.
    case notTrainable(path: String, storedType: String)

    public var description: String {
        switch self {
        case .nothingMatches(let pattern, let near):
            "no module matches \"\(pattern)\""
                + (near.isEmpty ? "" : "; there are " + near.map { "\"\($0)\"" }.joined(separator: ", "))
        case .shapeChanged(let path, let found, let expected):
            "a hook on \(path) gave \(found) in place of \(expected)"
        case .wrongShape(let path, let found, let expected):
            "\(path) takes a matrix of \(expected), not \(found)"
        case .cannotDivide(let path, let reason): "\(path) cannot be divided among ranks: \(reason)"
        case .isFrozen(let path):
            "\(path) is frozen and has no gradient: name it to `ModuleTree.train` before the pass"
        case .notTrainable(let path, let storedType):
            "\(path) is held as \(storedType), which has no gradient: train an adapter on it instead"
        }
    }
}
