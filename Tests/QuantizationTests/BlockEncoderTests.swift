import Foundation
import MartletQuantization
import MartletTensor
import Testing

/// What encoders lose, against llama.cpp's on the same weights (Goldens/make_errors.py).
struct BlockEncoderTests {
    private struct Golden {
        let weights: Tensor
        let importance: [Float]
        let errors: [(type: DType, plain: Double, weighted: Double)]

        init() throws {
            let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens/errors.bin")
            let bytes = try [UInt8](Data(contentsOf: path))
            var offset = 0
            func take<T: FixedWidthInteger>(_: T.Type) -> T {
                defer { offset += MemoryLayout<T>.size }
                return bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)) }
            }
            let rows = Int(take(UInt32.self)), columns = Int(take(UInt32.self))
            weights = try Tensor(
                (0..<rows * columns).map { _ in Float(bitPattern: take(UInt32.self)) }, shape: [rows, columns])
            importance = (0..<columns).map { _ in Float(bitPattern: take(UInt32.self)) }
            var errors: [(type: DType, plain: Double, weighted: Double)] = []
            while offset < bytes.count {
                let type = try #require(DType(rawValue: take(UInt32.self)))
                errors.append((type, Double(bitPattern: take(UInt64.self)), Double(bitPattern: take(UInt64.self))))
            }
            self.errors = errors
        }

        func error(_ encoded: Tensor, weighted: Bool) throws -> Double {
            let found = try encoded.float32Rows(0..<weights.shape[0]).toArray(as: Double.self)
            let expected = try weights.toArray(as: Double.self), columns = weights.shape[1]
            var sum = 0.0
            for index in found.indices {
                let miss = found[index] - expected[index]
                sum += miss * miss * (weighted ? Double(importance[index % columns]) : 1)
            }
            return (sum / Double(found.count)).squareRoot()
        }
    }

    @Test func noTypeMissesMoreThanLlamaCpp() throws {
        let golden = try Golden()
        #expect(golden.errors.count == 15)
        for (type, plain, weighted) in golden.errors {
            let ours = try golden.error(golden.weights.quantized(to: type), weighted: false)
            let oursWeighted = try golden.error(
                golden.weights.quantized(to: type, importance: golden.importance), weighted: true)
            #expect(ours <= plain * 1.000001, "\(type.name): \(ours) for \(plain)")
            #expect(oursWeighted <= weighted * 1.000001, "\(type.name): \(oursWeighted) for \(weighted)")
        }
    }

    @Test func whatABlockSaysIsWrittenAgainAlike() throws {
        // Numbers that a type can say are found by its encoder, to the rounding of its scale.
        var stream = RandomStream(seed: 3)
        for type in DType.encodable where type.isQuantized {
            let weights = try Tensor((0..<512).map { _ in Float(stream.nextNormal()) }, shape: [2, 256])
            let once = try weights.quantized(to: type).float32Rows(0..<2)
            let twice = try once.quantized(to: type).float32Rows(0..<2)
            let miss = try (once - twice).square().mean().item(as: Double.self).squareRoot()
            let lost = try (once - weights).square().mean().item(as: Double.self).squareRoot()
            #expect(miss < 0.35 * lost, "\(type.name): \(miss) of \(lost)")
        }
    }

    @Test func zerosAndSingleRowsAndAnyShare() throws {
        for type in DType.encodable where type.isQuantized {
            let zeros = try Tensor.zeros([3, 256]).quantized(to: type).float32Rows(0..<3)
            #expect(try zeros.abs().max(axes: []).item(as: Float.self) == 0, "\(type.name)")
            // A row's blocks are the same alone as among others, but for the groups it is searched in.
            var stream = RandomStream(seed: 5)
            let weights = try Tensor((0..<(7 * 768)).map { _ in Float(stream.nextNormal()) }, shape: [7, 768])
            let all = try weights.quantized(to: type).float32Rows(0..<7)
            for row in 0..<7 {
                let one = try weights.narrow(0, from: row, length: 1).contiguous().quantized(to: type)
                #expect(
                    try one.float32Rows(0..<1).toArray(as: Float.self)
                        == all.narrow(0, from: row, length: 1).contiguous().toArray(as: Float.self), "\(type.name)")
            }
        }
    }

    @Test func badInputIsNamed() throws {
        func message(_ body: () throws -> Tensor) -> String {
            do {
                _ = try body()
                return "no error"
            } catch { return "\(error)" }
        }
        let weights = try Tensor.ones([2, 96])
        #expect(message { try weights.quantized(to: .q4_K) }.contains("256: 96 remain"))
        #expect(message { try weights.quantized(to: .iq2_S) }.contains("read only"))
        #expect(message { try weights.quantized(to: .q4_0, importance: [1, 2]) }.contains("2 importances for 96"))
        let bad = try Tensor((0..<96).map { $0 == 40 ? Float.nan : 1 }, shape: [1, 96])
        #expect(message { try bad.quantized(to: .q4_0) }.contains("[0, 40]"))
        #expect(
            message { try weights.quantized(to: .q4_0, importance: [Float](repeating: -1, count: 96)) }
                .contains("at least zero"))
    }
}
