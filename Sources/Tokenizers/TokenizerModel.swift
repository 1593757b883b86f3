/// Converts pieces of text to ids and back.
package protocol TokenizerModel: Sendable {
    /// One more than the largest id.
    var vocabularySize: Int { get }
    /// Appends the ids of a piece; -1 for text that has no token, if there is no unknown token.
    func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32])
    /// The same, with the cache of this call.
    func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32], _ scratch: EncodingScratch)
    func id(of token: [UInt8]) -> Int32?
    func token(_ id: Int32) -> [UInt8]?
    /// Appends the bytes of a token; returns false if the id is unused.
    func append(_ id: Int32, to bytes: inout [UInt8]) -> Bool
}

extension TokenizerModel {
    package func encode(
        _ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32], _ scratch: EncodingScratch
    ) {
        encode(piece, into: &ids)
    }

    package func append(_ id: Int32, to bytes: inout [UInt8]) -> Bool {
        guard let token = token(id) else { return false }
        bytes += token
        return true
    }
}
