/// Ends the search through and the encoding of long texts that nobody waits for any more.
///
/// What takes long asks here every so often, and then returns at once with whatever it has; the result is not used.
package enum TextCancellation {
    @TaskLocal private static var condition: (@Sendable () -> Bool)?

    /// Whether what is under way on this thread is no longer wanted.
    package static var isRequested: Bool { condition?() ?? false }

    package static func run<Result>(
        while isWanted: @escaping @Sendable () -> Bool, _ body: () throws -> Result
    ) throws -> Result {
        try $condition.withValue({ !isWanted() }) {
            let result = try body()
            guard isWanted() else { throw CancellationError() }
            return result
        }
    }
}
