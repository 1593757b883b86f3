import Foundation
import MartletJSON
import MartletPatterns
import Testing

struct NormalizationTests {
    static let golden = try? JSON(
        parsing: Data(contentsOf: goldenFolder.appendingPathComponent("normalization.json")))

    struct Hash {
        var value: UInt64 = 0xCBF2_9CE4_8422_2325

        mutating func add(line: [UInt8]) {
            for byte in line { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
            value = (value ^ 0x0A) &* 0x100_0000_01B3
        }

        var text: String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
    }

    func utf8(_ scalars: [Int]) -> [UInt8] {
        scalars.reduce(into: []) { $0.append(scalar: UInt32($1)) }
    }

    @Test(arguments: NormalizationForm.allCases)
    func everyScalarNormalizesAsInPython(_ form: NormalizationForm) throws {
        let golden = try #require(Self.golden)
        var hash = Hash()
        for range in golden["ranges"]?.array ?? [] {
            let bounds = (range.array ?? []).compactMap(\.integer)
            for scalar in bounds[0]...bounds[1] { hash.add(line: form.normalize(utf8([scalar]))) }
        }
        #expect(hash.text == golden[form.rawValue]?["scalars"]?.string)
    }

    @Test(arguments: NormalizationForm.allCases)
    func marksReorderAndComposeAsInPython(_ form: NormalizationForm) throws {
        let golden = try #require(Self.golden)
        let pool = (golden["pool"]?.array ?? []).compactMap(\.integer)
        var hash = Hash()
        var state: UInt64 = 12345
        for _ in 0..<4000 {
            let scalars = (0..<12).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return pool[Int((state >> 33) % UInt64(pool.count))]
            }
            hash.add(line: form.normalize(utf8(scalars)))
        }
        #expect(hash.text == golden[form.rawValue]?["strings"]?.string)
    }

    @Test(arguments: NormalizationForm.allCases)
    func normalizingTwiceChangesNothing(_ form: NormalizationForm) {
        for text in ["", "plain", "Å\u{323}\u{307}", "한국어 \u{1100}\u{1161}\u{11A8}", "ﬁ½Ⅳ㍿", "e\u{301}\u{301}"] {
            let once = form.normalize(Array(text.utf8))
            #expect(form.normalize(once) == once)
        }
    }

    @Test(arguments: NormalizationForm.allCases)
    func aMegabyteOfMarksIsLinear(_ form: NormalizationForm) {
        var text: [UInt8] = [0x61]
        while text.count < 1 << 20 { text += utf8([0x301, 0x323, 0x302, 0x316]) }
        let begun = processorSeconds
        _ = form.normalize(text)
        #expect(processorSeconds - begun < 20)
    }

    @Test func scalarsOfBrokenBytesAreThoseOfTheStandardLibrary() {
        var random = SystemRandomNumberGenerator()
        let alphabet: [UInt8] = [
            0x41, 0x80, 0xBF, 0xC0, 0xC3, 0xE0, 0xE2, 0x82, 0xAC, 0xED, 0xA0, 0xF0, 0x90, 0x9F, 0xF4, 0xFF,
        ]
        for _ in 0..<2000 {
            let bytes = (0..<8).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            var found: [UInt32] = []
            bytes.withUnsafeBufferPointer { buffer in
                var scalars = UTF8Scalars(buffer)
                while let scalar = scalars.next() { found.append(scalar) }
            }
            #expect(found == String(decoding: bytes, as: UTF8.self).unicodeScalars.map(\.value), "\(bytes)")
        }
    }
}
