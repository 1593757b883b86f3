/// Splits text into pieces (pre-tokens), which the model encodes one at a time.
package protocol PreTokenizer: Sendable {
    /// Calls `emit` with the byte range of each piece, in order.
    func split(_ text: UnsafeBufferPointer<UInt8>, _ emit: (Range<Int>) throws -> Void) rethrows
}
