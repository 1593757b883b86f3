/// The reason why a run's folder cannot be read, locked or written to, as one sentence that says what to do.
public struct RunError: Error, Sendable, Equatable, CustomStringConvertible {
    public var description: String

    public init(_ description: String) { self.description = description }
}
