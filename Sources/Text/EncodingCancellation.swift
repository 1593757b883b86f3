/// Ends the encoding of long texts that nobody waits for any more.
///
/// What takes long asks here every so often, and then returns at once with whatever it has; the result is not used.
enum EncodingCancellation {
    @TaskLocal private static var condition: (@Sendable () -> Bool)?

    /// Whether what is under way on this thread is no longer wanted.
    static var isRequested: Bool { condition?() ?? false }

    static func run<Result>(
        while isWanted: @escaping @Sendable () -> Bool, _ body: () throws -> Result
    ) throws -> Result {
        try $condition.withValue({ !isWanted() }) {
            let result = try body()
            guard isWanted() else { throw CancellationError() }
            return result
        }
    }
}

extension Tokenizer {
    /// Runs `body`, in which texts are encoded, until it ends or `isWanted` says no, which it is asked at most every few
    /// milliseconds. Works in and outside of tasks.
    ///
    ///     let ids = try Tokenizer.encoding(while: { !Task.isCancelled }) { try tokenizer.encode(text) }
    ///
    /// - Parameter isWanted: asked often, so that it has to be quick; what it said no to stays unwanted.
    /// - Throws: `CancellationError` when the texts were not wanted any more, and what `body` throws.
    public static func encoding<Result>(
        while isWanted: @escaping @Sendable () -> Bool = { !Task.isCancelled }, _ body: () throws -> Result
    ) throws -> Result {
        guard isWanted() else { throw CancellationError() }
        do {
            return try EncodingCancellation.run(while: isWanted, body)
        } catch {
            throw isWanted() ? error : CancellationError()
        }
    }
}
