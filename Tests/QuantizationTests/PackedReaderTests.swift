import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Matrices in the layouts of other programs stand for the numbers that their layouts say (Goldens/make_packed.py).
struct PackedReaderTests {
    private static let folder =
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens").path

    private static var files: Memory {
        get throws {
            var all = Memory([:])
            for name in ["packed", "packed-more", "packed-axis0", "packed-later"] {
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
        let shape: Shape
        var description: String { name }
    }

    static var cases: [Case] {
        get throws {
            let json = try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: folder + "/packed.json"))))
            return try (json.array ?? []).map { item in
                Case(
                    name: try #require(item["name"]?.string), config: try #require(item["config"]),
                    shape: Shape(try #require(item["shape"]?.array).compactMap(\.integer)))
            }
        }
    }

    private func matrix(_ item: Case, _ source: any TensorSource) throws -> any WeightMatrix {
        try matrix(item.config, item.name, source, shape: item.shape)
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
        #expect(cases.count == 50)
        var stream = RandomStream(seed: 4)
        let x = try Tensor((0..<(5 * 64)).map { _ in Float(stream.nextNormal()) }, shape: [5, 64])
        for item in cases {
            let found = try matrix(item, file)
            let expected = try file.tensor("\(item.name).expected")
            let values = try found.float32Rows(0..<item.shape[0]).toArray(as: Float.self)
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
        let names = ["gptq4v1act", "nf4nested", "fp8block", "mlx4", "hqq2", "hqq4axis0"]
        for item in try Self.cases where names.contains(item.name) {
            let found = try matrix(item, file)
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

    /// Gradients of the input and of a term of low rank beside the matrix, and the product itself.
    private func learnt(_ weight: any WeightMatrix) throws -> [[Float]] {
        var stream = RandomStream(seed: 11)
        func leaf(_ shape: Shape) throws -> Tensor {
            try Tensor((0..<shape.elementCount).map { _ in Float(stream.nextNormal()) }, shape: shape).requiringGrad()
        }
        let x = try leaf([13, weight.shape[1]]), down = try leaf([3, weight.shape[1]])
        let up = try leaf([weight.shape[0], 3])
        let term = LowRankTerm(down: down, up: up, scale: 0.5)
        let y = try Fused.linear(x, [(weight: weight, bias: nil)], terms: [term])[0]
        try y.square().sum().backward()
        return try [y.detach()].map { try $0.toArray(as: Float.self) }
            + [x, down, up].map { try #require($0.gradient).toArray(as: Float.self) }
    }

    /// Whatever a base is stored as, adapters learn on it what they would learn on its numbers, bit for bit, and nothing of
    /// it is copied.
    @Test func adaptersLearnOnEveryStoredForm() throws {
        let file = try Self.files
        var forms = try Self.cases.map { ($0.name, try matrix($0, file)) }
        var stream = RandomStream(seed: 5)
        let numbers = try Tensor((0..<24 * 256).map { _ in Float(stream.nextNormal()) }, shape: [24, 256])
        for type in DType.encodable { forms.append((type.name, try numbers.quantized(to: type))) }
        #expect(forms.count > 30)
        for (name, weight) in forms {
            let before = weight.storedTensors.map { ObjectIdentifier($0.storage) }, bytes = weight.byteCount
            let found = try learnt(weight), wanted = try learnt(weight.float32Matrix().copied())
            #expect(found == wanted, "\(name)")
            #expect(weight.storedTensors.map { ObjectIdentifier($0.storage) } == before && weight.byteCount == bytes)
        }
    }

    /// The gradient of the input against central differences, in the numbers that 4 bits with nested scales stand for.
    @Test(arguments: ["gptq4v1act", "nf4nested", "fp8block"]) func gradientsAreSlopes(_ name: String) throws {
        let file = try Self.files
        let item = try #require(try Self.cases.first { $0.name == name })
        let weight = try matrix(item.config, name, file), dense = try weight.float32Matrix().to(.float64)
        let x = try Tensor((0..<128).map { Float($0 % 7) - 3 }, shape: [2, 64]), leaf = try x.copied().requiringGrad()
        try Fused.linear(leaf, [(weight: weight, bias: nil)])[0].tanh().sum().backward()
        let slopes = try #require(leaf.gradient).toArray(as: Double.self)
        func loss(_ values: [Double]) throws -> Double {
            try Tensor(values, shape: [2, 64]).matmul(dense.transposed()).tanh().sum().item()
        }
        let start: [Double] = try x.toArray()
        let most = slopes.map(abs).max() ?? 1
        for index in stride(from: 0, to: 128, by: 5) {
            var (above, below) = (start, start)
            above[index] += 1e-5
            below[index] -= 1e-5
            let slope = (try loss(above) - loss(below)) / 2e-5
            #expect(abs(slope - slopes[index]) < 1e-4 * most, "\(name), \(index)")
        }
    }

    /// Every layout refuses tensors that are not as large as the matrix takes, and does not read past them.
    @Test func noLayoutIsReadAsAnotherShape() throws {
        let file = try Self.files
        for item in try Self.cases {
            for shape in [[16, 128], [32, 64], [8, 64], [16, 32], [1, 1]] as [Shape] where shape != item.shape {
                var found: (any WeightMatrix)?
                let error = #expect(throws: (any Error).self, "\(item.name) as \(shape)") {
                    found = try matrix(item.config, item.name, file, shape: shape)
                }
                #expect(found == nil && !"\(String(describing: error))".isEmpty)
            }
        }
    }

    /// Packed for products, no layout takes much more than it is stored in.
    @Test func packedFormsStaySmall() throws {
        let file = try Self.files
        // Groups of more weights than there are outputs share no scale along a row, and become float32.
        for item in try Self.cases where item.name != "hqq4spread" {
            let found = try matrix(item, file)
            let bits = try found.packed(exact: false).byteCount * 8 / item.shape.elementCount
            #expect(bits <= 12, "\(item.name): \(bits) bits a weight")
        }
    }

    /// Scales that half precision does not hold stay beside codes of four bits, in their order and with their zeros.
    @Test(arguments: ["gptq4v1", "gptq4v1act", "awq", "mlx4", "hqq4"])
    func scalesBeyondHalfPrecisionCostNoBits(_ name: String) throws {
        let file = try Self.files, item = try #require(try Self.cases.first { $0.name == name })
        let scales = name == "hqq4" ? "scale" : "scales"
        var changed = file
        for part in [scales, "biases"] {
            guard let own = file.tensors["\(name).\(part)"] else { continue }
            changed.tensors["\(name).\(part)"] = try own.to(.float32) * Float(1.2345e-7)
        }
        let found = try matrix(item, changed), packed = try found.packed(exact: false)
        #expect(packed.byteCount * 8 / item.shape.elementCount <= 8)
        var stream = RandomStream(seed: 3)
        let x = try Tensor((0..<3 * 64).map { _ in Float(stream.nextNormal()) }, shape: [3, 64])
        let y = try Fused.linear(x, [(weight: found.float32Matrix(), bias: nil)])[0]
        let error = try (PackedMatrix.multiply(x, by: [packed])[0] - y).abs().max(axes: []).item(as: Float.self)
        let size = try y.abs().max(axes: []).item(as: Float.self)
        #expect(error <= size * 1e-4, "\(name): \(error) of \(size)")
    }

    /// The levels of four-bit codes become integers of 15 bits: FP4's, which are multiples of 1/192, exactly.
    @Test func levelsBecomeIntegers() throws {
        let file = try Self.files
        for (name, limit) in [("nf4", 2e-5), ("fp4nested", 1e-7)] {
            let levels = try file.tensor("\(name).weight.quant_map").toArray(as: Float.self)
            let (numbers, unit) = PackedMatrix.integers(for: levels)
            let most = levels.map { abs($0) }.max() ?? 0
            #expect(numbers.allSatisfy { abs(Int($0)) <= 16_383 })
            for (number, level) in zip(numbers, levels) {
                #expect(abs(Double(number) * Double(unit) - Double(level)) <= limit * Double(most), "\(name) \(level)")
            }
        }
        #expect(PackedMatrix.integers(for: [Float](repeating: 0, count: 16)).numbers.allSatisfy { $0 == 0 })
    }

    /// A row's product is the same in any batch, where inputs have scales of their own for a part of the rows too.
    @Test func groupsOfOutputsAreTheSameInAnyBatch() throws {
        let file = try Self.files, item = try #require(try Self.cases.first { $0.name == "hqq4axis0" })
        let packed = try matrix(item, file).packed(exact: false)
        var stream = RandomStream(seed: 9)
        let x = try Tensor((0..<71 * 64).map { _ in Float(stream.nextNormal()) }, shape: [71, 64])
        let all = try PackedMatrix.multiply(x, by: [packed])[0]
        for (first, count) in [(0, 1), (40, 1), (3, 33), (70, 1)] {
            let part = try x.narrow(0, from: first, length: count).contiguous()
            let own = try PackedMatrix.multiply(part, by: [packed])[0].toArray(as: Float.self)
            #expect(try all.narrow(0, from: first, length: count).toArray(as: Float.self) == own)
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
        for (key, other) in [("bits", "group_size"), ("group_size", "bits")] {
            // A text, a fraction, a number that is too large, nothing at all; of one module too.
            for value: JSON? in ["four", 4.5, 99_999_999, nil] {
                var config: JSONObject = [:]
                (config[key], config[other]) = (value, 8)
                let said = message { _ = try matrix(.object(config), "mlx4", file) }
                #expect(said.contains("\"\(key)\" is \(value?.text() ?? "missing")"), "\(said)")
            }
            let module: JSON = ["bits": 4, "group_size": 32, "mlx4": [key: "four"]]
            let said = message { _ = try matrix(module, "mlx4", file) }
            #expect(said.contains("mlx4.\(key)") && said.contains("whole number"), "\(said)")
        }
        let hqq: JSON = [
            "quant_method": "hqq", "quant_config": ["weight_quant_params": ["nbits": 4, "group_size": 32, "axis": 0]],
        ]
        #expect(message { _ = try matrix(hqq, "hqq4", file) }.contains("groups along axis 0"))
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

    /// Of auto-round, modelopt and compressed-tensors what is not read is refused by its name, whatever its tensors look like.
    @Test func otherLayoutsOfTheSameProgramsAreRefusedByName() throws {
        let file = try Self.files
        func message(_ config: JSON, _ name: String, without: String? = nil, with added: String? = nil) -> String {
            var changed = file
            if let without { changed.tensors["\(name).\(without)"] = nil }
            if let added { changed.tensors["\(name).\(added)"] = changed.tensors["\(name).weight_scale"] }
            do {
                _ = try matrix(config, name, changed)
                return "no error"
            } catch { return "\(error)" }
        }
        func autoRound(_ key: String, _ value: JSON) -> JSON {
            let pairs: JSON = ["quant_method": "auto-round", "bits": 4, "group_size": 32]
            var object = pairs.object ?? JSONObject()
            object[key] = value
            return .object(object)
        }
        #expect(message(autoRound("data_type", "nv_fp"), "argptq").contains("data_type \"nv_fp\""))
        #expect(message(autoRound("packing_format", "nunchaku"), "argptq").contains("\"nunchaku\""))
        #expect(message(autoRound("rotation_config", ["block_size": 32]), "argptq").contains("rotation_config"))
        #expect(message(autoRound("bits", 5), "argptq").contains("2, 3, 4 or 8"))
        let modelopt: JSON = ["quant_method": "modelopt", "quant_algo": "NVFP4"]
        #expect(message(modelopt, "monvfp4", with: "pre_quant_scale").contains("monvfp4.pre_quant_scale"))
        #expect(message(modelopt, "monvfp4", without: "weight_scale_2").contains("weight_scale_2: is missing"))
        // Integers of modelopt's, whose scales are plain numbers.
        var integers = file
        integers.tensors["monvfp4.weight_scale"] = try Tensor([Float](repeating: 1, count: 16), shape: [16, 1])
        integers.types["monvfp4.weight_scale"] = "F32"
        #expect {
            _ = try matrix(modelopt, "monvfp4", integers)
        } throws: { "\($0)".contains("U8 with scales of F32") }
        let item = try #require(try Self.cases.first { $0.name == "ctnvfp4" })
        #expect(
            message(item.config, "ctnvfp4", without: "weight_global_scale").contains("weight_global_scale: is missing"))
        #expect(message(item.config, "ctnvfp4", with: "weight_zero_point").contains("weight_zero_point"))
        var turned = try #require(item.config.object)
        turned["transform_config"] = ["config_groups": ["R1": ["type": "hadamard"]]]
        #expect(message(.object(turned), "ctnvfp4").contains("transform_config"))
    }

    /// Runs of 16 floats of four bits are computed with as floats of eight, which hold their levels; other levels are not.
    @Test func shortRunsStayExact() throws {
        let file = try Self.files, item = try #require(try Self.cases.first { $0.name == "monvfp4" })
        let found = try matrix(item, file), packed = try found.packed(exact: false)
        #expect(packed.byteCount * 8 / item.shape.elementCount <= 10)
        // Small integers, whose products and sums float32 holds.
        let x = try Tensor((0..<3 * 64).map { Float($0 % 9) - 4 }, shape: [3, 64])
        let scale = try file.tensor("monvfp4.weight_scale_2").to(.float32).item(as: Float.self)
        let whole = try (found.float32Matrix().to(.float64) / Double(scale))
        let wanted = try x.to(.float64).matmul(whole.transposed()).toArray(as: Double.self)
        let values = try PackedMatrix.multiply(x, by: [packed])[0].toArray(as: Float.self)
        let most = wanted.map(abs).max() ?? 1
        #expect(zip(values, wanted).allSatisfy { abs(Double($0) / Double(scale) - $1) <= 1e-6 * most })
    }

    /// A scale that is no number, and one that is 0 while the weights of its group are not, lose what the file holds.
    @Test(arguments: [
        ("nf4", "weight.absmax"), ("nf4nested", "weight.nested_absmax"), ("fp4nested", "weight.nested_absmax"),
        ("fp8block", "weight_scale_inv"), ("fp8channel", "weight_scale"), ("fp8tensor", "weight_scale"),
        ("mofp8", "weight_scale"), ("mofp8block", "weight_scale"),
    ])
    func scalesThatLoseWeightsAreRefused(_ name: String, _ part: String) throws {
        let files = try Self.files, item = try #require(Self.cases.first { $0.name == name })
        let key = "\(name).\(part)", whole = try #require(files.tensors[key])
        func message(_ value: Float) throws -> String {
            var damaged = files, values = try whole.to(.float32).toArray(as: Float.self)
            values[0] = value
            damaged.tensors[key] = try Tensor(values, shape: whole.shape)
            do {
                return "no error, but \(try matrix(item, damaged).storedType)"
            } catch { return "\(error)" }
        }
        #expect(try message(.nan).contains("no finite number"))
        // A nested scale of 0 leaves the offset.
        if !part.contains("nested") { #expect(try message(0).contains("a scale is zero where weights are not")) }
    }

    @Test func aGroupOfZerosMayHaveTheScaleZero() throws {
        let codes = Tensor(filling: [2, 32], dtype: .uint8) { bytes in
            for index in 0..<64 { bytes[index] = index < 32 ? 0x80 : 0x41 }
        }
        let matrix = try Float8Matrix(codes, .e4m3, scales: Tensor([Float(0), 1], shape: [2, 1]))
        #expect(try matrix.float32Matrix().toArray(as: Float.self)[..<32].allSatisfy { $0 == 0 })
        var levels = [Float](repeating: 1, count: 16)
        levels[7] = 0
        let runs = Tensor(filling: [32], dtype: .uint8) { bytes in
            for index in 0..<32 { bytes[index] = index < 16 ? 0x77 : 0x31 }
        }
        for (scales, isLost) in [([Float(0), 1], false), ([1, 0], true)] {
            let matrix = try CodebookMatrix(
                runs, shape: [2, 32], storedType: "NF4", levels: levels, scales: scales, runLength: 32, parameters: [])
            #expect(matrix.losesNumbers == isLost)
        }
    }

    /// compressed-tensors cuts no code in two: of 3, 5 and 6 bits a word's highest bits stay empty. A module's words say which
    /// of several widths is its own, and groups that the scales do not have are refused.
    @Test(arguments: [2, 3, 4, 5, 6, 8]) func compressedCodesStandWholeInWords(_ bits: Int) throws {
        let share = 32 / bits, half = 1 << (bits - 1), width = (64 + share - 1) / share
        let codes = (0..<16 * 64).map { ($0 * 7 + $0 / 64) % (1 << bits) }
        var words = [UInt32](repeating: 0, count: 16 * width)
        for (index, code) in codes.enumerated() {
            let input = index % 64
            words[index / 64 * width + input / share] |= UInt32(code) << UInt32(input % share * bits)
        }
        let memory = Memory([
            "m.weight_packed": try Tensor(words.map { Int32(bitPattern: $0) }, shape: [16, width]),
            "m.weight_scale": try Tensor([Float](repeating: 0.5, count: 32), shape: [16, 2]),
        ])
        func config(_ size: Int) -> JSON {
            let own: JSON = ["num_bits": .integer(Int64(bits)), "group_size": .integer(Int64(size))]
            let other: JSON = ["num_bits": .integer(bits == 4 ? 2 : 4), "group_size": 64]
            return [
                "quant_method": "compressed-tensors", "format": "pack-quantized",
                "config_groups": ["group_0": ["weights": own], "group_1": ["weights": other]],
            ]
        }
        let found = try matrix(config(32), "m", memory).float32Matrix().toArray(as: Float.self)
        #expect(found == codes.map { 0.5 * Float($0 - half) })
        #expect { _ = try matrix(config(16), "m", memory) } throws: { "\($0)".contains("has 2 groups") }
    }

    /// Codes of four bits are the same in bytes and in numbers of a wider type.
    @Test func codesInWiderTypesAreTheSame() throws {
        let file = try Self.files, item = try #require(Self.cases.first { $0.name == "nf4nested" })
        let bytes = try file.tensor("nf4nested.weight").toArray(as: Int64.self).map { UInt32($0) }
        var wide = file
        let numbers = stride(from: 0, to: bytes.count, by: 4).map { at in
            Float(bitPattern: bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24)
        }
        wide.tensors["nf4nested.weight"] = try Tensor(numbers, shape: [numbers.count, 1])
        let found = try matrix(item, wide).float32Matrix().toArray(as: Float.self)
        #expect(try found == matrix(item, file).float32Matrix().toArray(as: Float.self))
    }

    @Test func nestedScalesWithoutTheirTableAreRefused() throws {
        var files = try Self.files
        let item = try #require(Self.cases.first { $0.name == "nf4nested" })
        files.tensors["nf4nested.weight.nested_absmax"] = nil
        #expect {
            _ = try matrix(item, files)
        } throws: { "\($0)".contains("weight.nested_absmax: is missing") }
    }

    /// Integers where a layout has scales would be taken for numbers of their size, and fractions for indices.
    @Test func tensorsOfAnotherKindOfNumberAreRefusedByName() throws {
        let files = try Self.files
        let fractions = [
            "scales", "scale", "zero", "biases", "SCB", "weight_scale", "weight_scale_inv", "_weight_scale",
            "weight_global_scale", "weight_scale_2", "weight.absmax", "weight.quant_map", "weight.nested_absmax",
            "weight.nested_quant_map",
        ]
        var tried = 0
        for item in try Self.cases {
            let prefix = item.name + "."
            for (name, tensor) in files.tensors where name.hasPrefix(prefix) {
                let suffix = String(name.dropFirst(prefix.count))
                let isNested = files.tensors[prefix + "weight.nested_absmax"] != nil
                var damaged = files
                if suffix == "g_idx" || suffix == "weight_zero_point" || (suffix == "weight.absmax" && isNested) {
                    damaged.tensors[name] = try tensor.to(.float32)
                    damaged.types[name] = "F32"
                } else if fractions.contains(suffix) {
                    damaged.tensors[name] = try Tensor.zeros(tensor.shape).to(.int32)
                    damaged.types[name] = "I32"
                } else {
                    continue
                }
                tried += 1
                let sentence: String
                do {
                    _ = try matrix(item, damaged)
                    sentence = "no error"
                } catch { sentence = "\(error)" }
                #expect(sentence.contains(prefix) && sentence.contains(suffix), "\(name): \(sentence)")
            }
        }
        #expect(tried > 50)
    }

    @Test(arguments: ["9223372036854775807", "4611686018427387904", "65537", "0", "-256"])
    func blocksOfNestedScalesHaveALengthInBounds(_ length: String) throws {
        var files = try Self.files
        let item = try #require(Self.cases.first { $0.name == "nf4nested" })
        let name = "nf4nested.weight.quant_state.bitsandbytes__nf4"
        let bytes = try #require(files.tensors[name]).toArray(as: UInt8.self)
        var state = try #require(JSON(parsing: bytes).object)
        state["nested_blocksize"] = try JSON(parsing: Array(length.utf8))
        let changed = JSON.object(state).bytes()
        files.tensors[name] = try Tensor(changed, shape: [changed.count])
        files.tensors["nf4nested.weight.nested_absmax"] = try Tensor([Float](repeating: 1, count: 3), shape: [3])
        #expect {
            _ = try matrix(item, files)
        } throws: { "\($0)".contains("nested_blocksize is \(length)") }
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
