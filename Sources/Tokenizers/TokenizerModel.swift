/// Turns pieces of text into ids and back.
package protocol TokenizerModel: Sendable {
    /// One more than the largest id.
    var vocabularySize: Int { get }
    /// Adds the ids of a piece; -1 stands for text that has no token while there is no unknown token.
    func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32])
    /// The same, with what the call has met so far.
    func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32], _ scratch: EncodingScratch)
    func id(of token: [UInt8]) -> Int32?
    func token(_ id: Int32) -> [UInt8]?
    /// Adds the bytes of a token; false when there is none of this id.
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
