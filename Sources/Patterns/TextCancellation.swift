/// Cancels the searching and encoding of long texts.
///
/// Long operations check it regularly and return early with an incomplete result, which is discarded.
package enum TextCancellation {
    @TaskLocal private static var condition: (@Sendable () -> Bool)?

    /// Whether the current operation of this thread is cancelled.
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
