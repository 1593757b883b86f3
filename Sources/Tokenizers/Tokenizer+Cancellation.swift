import MartletPatterns

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
            return try TextCancellation.run(while: isWanted, body)
        } catch {
            throw isWanted() ? error : CancellationError()
        }
    }
}
