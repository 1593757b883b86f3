import MartletPatterns

extension Tokenizer {
    /// Runs `body`, which encodes texts, until it ends or `isWanted` returns false; this is called at most every few
    /// milliseconds. Works inside and outside of tasks.
    ///
    /// ```swift
    /// let ids = try Tokenizer.encoding(while: { !Task.isCancelled }) { try tokenizer.encode(text) }
    /// ```
    ///
    /// - Parameter isWanted: called often, so it must be fast; after returning false once it must stay false.
    /// - Throws: `CancellationError` when `isWanted` returned false, and what `body` throws.
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
