import MartletSystem

/// What is wrong with an adapter, with the file, key, module or tensor, and the next step.
public struct AdapterError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// Options that contradict each other or name nothing.
        case configuration
        /// A file that breaks the rules of its form.
        case file
        /// What other programs can do with an adapter and Martlet does not.
        case unsupported
        /// The adapter belongs to another base.
        case otherBase
    }
    public var kind: Kind
    private let sentence: String
    public var description: String { sentence.printable }

    public init(_ kind: Kind, _ sentence: String) { (self.kind, self.sentence) = (kind, sentence) }
}
