/// Why an expression cannot be used, with the position of the problem.
package struct PatternError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        /// A valid expression with a feature that this engine does not support.
        case unsupported(String)
        /// Not a valid expression.
        case malformed(String)
        /// A resource limit of the engine was exceeded.
        case tooLarge(String)
    }

    package let reason: Reason
    /// In Unicode scalars from the start of the expression.
    package let position: Int

    package init(_ reason: Reason, at position: Int) {
        self.reason = reason
        self.position = position
    }

    package var description: String {
        switch reason {
        case .unsupported(let construct): "character \(position): \(construct) is not supported"
        case .malformed(let problem): "character \(position): \(problem)"
        case .tooLarge(let limit): "character \(position): the expression is too large: \(limit)"
        }
    }
}
