#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletJSON
import MartletTensor
import Testing

/// Every operation against PyTorch's results (Goldens/make_tensor_goldens.py).
struct GoldenTests {
    static func load() throws -> [GoldenCase] {
        let path = #filePath.replacing("GoldenTests.swift", with: "Goldens/tensor_operations.json")
        let file = try MappedFile(path: path)
        let json = try withExtendedLifetime(file) { try JSON(parsing: file.bytes) }
        return try (json.array ?? []).enumerated().map { try GoldenCase($1, number: $0) }
    }

    @Test func operationsAgreeWithPyTorch() throws {
        let cases = try Self.load()
        #expect(cases.count > 300)
        for golden in cases {
            do {
                let results = try golden.run()
                #expect(results.count == golden.expected.count, "\(golden)")
                for (result, expected) in zip(results, golden.expected) {
                    #expect(result.dtype == expected.dtype, "\(golden)")
                    #expect(result.shape == expected.shape, "\(golden)")
                    guard result.shape == expected.shape else { continue }
                    let found = try result.toArray(as: Double.self), wanted = try expected.toArray(as: Double.self)
                    let tolerance =
                        switch expected.dtype {
                        case .float32: 3e-6
                        case .float64: 1e-12
                        case .float16: 1e-3
                        case .bfloat16: 8e-3
                        default: 0.0
                        }
                    for (a, b) in zip(found, wanted) where !(a == b || (a.isNaN && b.isNaN)) {
                        #expect(
                            (a - b).magnitude <= tolerance * max(1, b.magnitude),
                            "\(golden): found \(found), expected \(wanted)")
                    }
                }
            } catch {
                Issue.record("\(golden): \(error)")
            }
        }
    }
}
