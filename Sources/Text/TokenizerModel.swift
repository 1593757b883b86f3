/// Turns pieces of text into ids and back.
package protocol TokenizerModel: Sendable {
    var vocabularySize: Int { get }
    func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32])
    func id(of token: [UInt8]) -> Int32?
    func token(_ id: Int32) -> [UInt8]?
}
