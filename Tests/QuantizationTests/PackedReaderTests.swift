import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Matrices in the layouts of other programs stand for the numbers that their layouts say (Goldens/make_packed.py).
@Suite struct PackedReaderTests {
    private static let folder =
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens").path

    private static var files: Memory {
        get throws {
            var all = Memory([:])
            for name in ["packed", "packed-more"] {
                let file = try SafetensorsFile(path: "\(folder)/\(name).safetensors")
                for entry in file.entries {
                    all.tensors[entry.name] = try file.tensor(entry.name)
                    all.types[entry.name] = entry.typeName
                }
            }
            return all
        }
    }

    struct Case: Sendable, CustomStringConvertible {
        let name: String
        let config: JSON
        var description: String { name }
    }

    static var cases: [Case] {
        get throws {
            let json = try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: folder + "/packed.json"))))
            return try (json.array ?? []).map { item in
                Case(name: try #require(item["name"]?.string), config: try #require(item["config"]))
            }
        }
    }

    private func matrix(
        _ config: JSON, _ name: String, _ source: any TensorSource, shape: Shape = [16, 64]
    ) throws -> any WeightMatrix {
        let configuration = ConfigurationReader(file: "config.json", json: ["quantization_config": config])
        let reader = try #require(try PackedFormats.reader(configuration))
        let module = PackedModule(name: name, shape: shape, source: source, file: "folder")
        return try #require(try reader.matrix(module), "\(name)")
    }

    @Test func everyLayoutStandsForItsNumbers() throws {
        let file = try Self.files, cases = try Self.cases
        #expect(cases.count == 28)
        var stream = RandomStream(seed: 4)
        let x = try Tensor((0..<(5 * 64)).map { _ in Float(stream.nextNormal()) }, shape: [5, 64])
        for item in cases {
            let found = try matrix(item.config, item.name, file)
            let expected = try file.tensor("\(item.name).expected")
            let values = try found.float32Rows(0..<16).toArray(as: Float.self)
            let wanted = try expected.toArray(as: Float.self)
            let miss = zip(values, wanted).map { abs($0 - $1) }.max() ?? 1
            let most = wanted.map(abs).max() ?? 1
            #expect(miss <= most * 1e-6, "\(item.name): \(miss)")
            #expect(try found.float32Rows(3..<7).toArray(as: Float.self) == Array(values[3 * 64..<7 * 64]))
            // What is packed for products is the same matrix, as stored and exactly.
            let y = try Fused.linear(x, [(weight: expected, bias: nil)])[0]
            for exact in [true, false] {
                let product = try PackedMatrix.multiply(x, by: [found.packed(exact: exact)])[0]
                let error = try (product - y).abs().max(axes: []).item(as: Float.self)
                let size = try y.abs().max(axes: []).item(as: Float.self)
                #expect(error <= size * 1e-4, "\(item.name) exact \(exact): \(error) of \(size)")
            }
        }
    }

    @Test func gradientsFlowThroughPackedWeights() throws {
        let file = try Self.files
        for item in try Self.cases where ["gptq4v1act", "nf4nested", "fp8block", "mlx4", "hqq2"].contains(item.name) {
            let found = try matrix(item.config, item.name, file)
            let dense = try file.tensor("\(item.name).expected")
            let x = try Tensor((0..<128).map { Float($0 % 7) - 3 }, shape: [2, 64])
            var gradients: [[Float]] = []
            for weight in [found, dense] as [any WeightMatrix] {
                let input = try x.copied().requiringGrad()
                try Fused.linear(input, [(weight: weight, bias: nil)])[0].square().sum(axes: [0, 1]).backward()
                gradients.append(try #require(input.gradient).toArray(as: Float.self))
            }
            let most = gradients[1].map(abs).max() ?? 1
            #expect(zip(gradients[0], gradients[1]).allSatisfy { abs($0 - $1) <= 1e-4 * most }, "\(item.name)")
        }
    }

    @Test func lyingFilesAreRefusedByName() throws {
        let file = try Self.files
        func message(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "no error"
            } catch { return "\(error)" }
        }
        let gptq: JSON = ["quant_method": "gptq", "bits": 4, "group_size": 32]
        #expect(message { _ = try matrix(gptq, "gptq4v1", file, shape: [16, 128]) }.contains("codes of 4 bits"))
        #expect(message { _ = try matrix(["quant_method": "quip"], "x", file) }.contains("gptq, awq"))
        #expect(message { _ = try matrix(["quant_method": "gptq", "bits": 5], "x", file) }.contains("2, 3, 4 or 8"))
        #expect(message { _ = try matrix(["quant_method": "awq", "version": "gemv"], "x", file) }.contains("gemv"))
        let mlx: JSON = ["bits": 4, "group_size": 32, "mode": "mxfp4"]
        #expect(message { _ = try matrix(mlx, "x", file) }.contains("mxfp4"))
        #expect(message { _ = try matrix(["bits": 8, "group_size": 32], "mlx4", file) }.contains("codes of 8 bits"))
        let hqq: JSON = [
            "quant_method": "hqq", "quant_config": ["weight_quant_params": ["nbits": 4, "group_size": 32, "axis": 0]],
        ]
        #expect(message { _ = try matrix(hqq, "hqq4", file) }.contains("along axis 0"))
        #expect(
            message { _ = try matrix(["quant_method": "torchao"], "aoint8", file, shape: [16, 128]) }.contains(
                "packed for one device"))
        // A group that there is not, and a scale of zero.
        let memory = Memory([
            "m.qweight": try file.tensor("gptq4v1.qweight"), "m.qzeros": try file.tensor("gptq4v1.qzeros"),
            "m.scales": try file.tensor("gptq4v1.scales"),
            "m.g_idx": try Tensor([Int32](repeating: 9, count: 64), shape: [64]),
        ])
        #expect(message { _ = try matrix(gptq, "m", memory) }.contains("group 9"))
        let zero = Memory([
            "m.qweight": try file.tensor("gptq4v1.qweight"), "m.qzeros": try file.tensor("gptq4v1.qzeros"),
            "m.scales": try Tensor.zeros([2, 16]),
        ])
        #expect(message { _ = try matrix(gptq, "m", zero) }.contains("scale is zero"))
    }

    private struct Memory: TensorSource {
        var tensors: [String: Tensor]
        var types: [String: String] = [:]
        init(_ tensors: [String: Tensor]) { self.tensors = tensors }
        var names: [String] { tensors.keys.sorted() }
        func entry(_ name: String) -> TensorEntry? {
            tensors[name].map {
                TensorEntry(
                    name: name, dtype: $0.dtype, typeName: types[name] ?? $0.dtype.name, shape: $0.shape, byteCount: 0,
                    fileOffset: 0,
                    path: "memory")
            }
        }
        func tensor(_ name: String) throws -> Tensor { try #require(tensors[name]) }
    }
}
