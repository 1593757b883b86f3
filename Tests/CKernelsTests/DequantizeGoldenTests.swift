import CKernels
import Foundation
import Testing

/// `martlet_dequantize` against the gguf wheel on random blocks (Goldens/make_dequantized.py).
struct DequantizeGoldenTests {
    private struct Case {
        let type: martlet_type
        let stored: [UInt8]
        let values: [Float]
    }

    private static func cases() throws -> [Case] {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens/dequantized.bin")
        var rest = try [UInt8](Data(contentsOf: path))[...]
        func word() -> UInt32 {
            defer { rest = rest.dropFirst(4) }
            return rest.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        var cases: [Case] = []
        while rest.count >= 12 {
            let type = martlet_type(word()), size = Int(word()), count = Int(word())
            let stored = Array(rest.prefix(size))
            rest = rest.dropFirst(size)
            cases.append(Case(type: type, stored: stored, values: (0..<count).map { _ in Float(bitPattern: word()) }))
        }
        return cases
    }

    @Test func everyTypeMeansWhatTheReferenceReaderSays() throws {
        let cases = try Self.cases()
        #expect(cases.count == 24)
        for item in cases {
            let blocks = item.values.count / martlet_type_block(item.type)
            #expect(item.stored.count == blocks * martlet_type_block_bytes(item.type), "type \(item.type.rawValue)")
            var found = [Float](repeating: .nan, count: item.values.count)
            martlet_dequantize(item.type, item.stored, found.count, &found)
            // Bit for bit, but for the sign of a zero.
            let wrong = found.indices.filter { found[$0] != item.values[$0] }
            let first = wrong.first.map { (found[$0], item.values[$0]) } ?? (0, 0)
            #expect(wrong.isEmpty, "type \(item.type.rawValue): \(wrong.count) differ, first \(first)")
        }
    }
}
