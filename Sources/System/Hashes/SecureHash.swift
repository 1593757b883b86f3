/// A hash of the Secure Hash Standard (FIPS 180-4) over 64-byte blocks of big-endian 32-bit words.
///
/// Used for the digests that identify hub files, models, pages and keys. A cryptography package would compile all of
/// BoringSSL a second time, beside the copy that TLS needs.
///
/// ```swift
/// var hash = SHA256()
/// hash.update(Array("abc".utf8))
/// hash.finalize().hexadecimal                 // "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
/// ```
public protocol SecureHash: Sendable {
    init()
    var state: BlockHashState { get set }
    /// Compresses one block of 64 bytes into the words of the state.
    static func compress(_ words: inout [UInt32], _ block: UnsafePointer<UInt8>)
}

/// The words of an unfinished hash, and the bytes of the incomplete block.
public struct BlockHashState: Sendable {
    fileprivate var words: [UInt32]
    fileprivate var pending: [UInt8] = []
    fileprivate var count: UInt64 = 0

    init(_ words: [UInt32]) { self.words = words }
}

extension SecureHash {
    /// The digest of `bytes`.
    public static func hash(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var hash = Self()
        hash.update(Array(bytes))
        return hash.finalize()
    }

    /// Appends bytes to the message.
    public mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    /// Appends bytes to the message.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        state.count &+= UInt64(bytes.count)
        var rest = bytes[...]
        if !state.pending.isEmpty {
            let taken = rest.prefix(64 - state.pending.count)
            state.pending.append(contentsOf: taken)
            rest = rest.dropFirst(taken.count)
            guard state.pending.count == 64 else { return }
            state.pending.withUnsafeBufferPointer { Self.compress(&state.words, $0.baseAddress!) }
            state.pending.removeAll(keepingCapacity: true)
        }
        let whole = rest.count & ~63
        UnsafeRawBufferPointer(rebasing: rest.prefix(whole)).withMemoryRebound(to: UInt8.self) { blocks in
            for start in stride(from: 0, to: whole, by: 64) { Self.compress(&state.words, blocks.baseAddress! + start) }
        }
        state.pending.append(contentsOf: rest.dropFirst(whole))
    }

    /// The digest. The last block is padded with a one bit, zeros, and the length in bits.
    public mutating func finalize() -> [UInt8] {
        let bits = state.count &* 8
        let zeros = (119 - Int(state.count % 64)) % 64
        let length = (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * UInt64($0))) }
        update([0x80] + [UInt8](repeating: 0, count: zeros) + length)
        return state.words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * UInt32($0))) } }
    }
}

extension Collection<UInt8> {
    /// Two lower-case hexadecimal digits for each byte.
    public var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in self { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}

func bigEndianWord(_ block: UnsafePointer<UInt8>, _ index: Int) -> UInt32 {
    UInt32(bigEndian: UnsafeRawPointer(block).loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
}

func rotated(_ word: UInt32, left count: UInt32) -> UInt32 { word &<< count | word &>> (32 &- count) }
