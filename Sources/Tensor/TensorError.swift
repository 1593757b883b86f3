/// The error of a tensor operation whose operands do not fit. The message has the operation's name and the shapes.
public struct TensorError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable { case shape, dtype, index, argument, storage, gradient, missing }
    public var kind: Kind
    /// "matmul", "reshape", …
    public var operation: String
    public var reason: String

    public init(_ kind: Kind, _ operation: String, _ reason: String) {
        self.kind = kind
        self.operation = operation
        self.reason = reason
    }

    public var description: String { "\(operation): \(reason)" }
}
