/// Why an expression cannot be used, and at which character of it.
package struct PatternError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        /// It is an expression, but of a kind this engine does not run.
        case unsupported(String)
        /// It is none.
        case malformed(String)
        /// It would take more than the engine gives.
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
