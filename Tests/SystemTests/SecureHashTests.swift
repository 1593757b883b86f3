import MartletSystem
import Testing

/// The examples of FIPS 180-4.
struct SecureHashTests {
    @Test(arguments: [
        (
            "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        ),
        (
            "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        ),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        ),
    ]) func knownDigests(text: String, sha256: String, sha1: String) {
        #expect(SHA256.hash(text.utf8).hexadecimal == sha256)
        #expect(SHA1.hash(text.utf8).hexadecimal == sha1)
    }

    @Test func aMillionLettersInPiecesOfEveryLength() {
        var strong = SHA256()
        var git = SHA1()
        var left = 1_000_000
        var piece = 1
        while left > 0 {
            let bytes = [UInt8](repeating: 0x61, count: min(piece, left))
            strong.update(bytes)
            git.update(bytes)
            left -= bytes.count
            piece = piece % 301 + 1
        }
        #expect(strong.finalize().hexadecimal == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
        #expect(git.finalize().hexadecimal == "34aa973cd4c4daa4f61eeb2bdbad27316534016f")
    }

    /// The length in bits takes eight bytes after the closing bit: around 55 and 64 bytes it fits one block or not.
    @Test func lengthsAroundABlock() {
        let digests = (50...70).map { SHA256.hash([UInt8](repeating: 7, count: $0)).hexadecimal }
        #expect(Set(digests).count == digests.count)
        #expect(
            SHA256.hash([UInt8](repeating: 0x61, count: 64)).hexadecimal
                == "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb")
    }
}
