import Foundation
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletQuantization
import MartletTensor
import Testing
import TinyModels

/// Methods that write folders: what they lose, and that what they write is read.
struct MethodTests {
    private func random(_ shape: Shape, seed: UInt64) throws -> Tensor {
        var stream = RandomStream(seed: seed)
        return try Tensor((0..<shape.elementCount).map { _ in Float(stream.nextNormal()) }, shape: shape)
    }

    private func matrix(_ codes: AffineCodes) throws -> Tensor {
        var values: [Float] = []
        for output in 0..<codes.outputs {
            for input in 0..<codes.inputs {
                let group = output * codes.groups + input / codes.groupSize
                let difference = Int(codes.codes[output * codes.inputs + input]) - Int(codes.zeros[group])
                values.append(codes.scales[group] * Float(difference))
            }
        }
        return try Tensor(values, shape: [codes.outputs, codes.inputs])
    }

    @Test(arguments: [true, false]) func errorsMadeUpForLeaveLessOfThemInTheProduct(_ symmetric: Bool) throws {
        let weight = try random([24, 64], seed: 1)
        // Inputs that go together, as those of layers do.
        let x = try random([256, 16], seed: 2).matmul(random([16, 64], seed: 3)) + random([256, 64], seed: 4) * 0.3
        let hessian = try x.transposed().contiguous().matmul(x).toArray(as: Float.self)
        func error(_ codes: AffineCodes) throws -> Double {
            let miss = try (matrix(codes) - weight).transposed().contiguous()
            return try x.matmul(miss).square().mean().item(as: Double.self)
        }
        for bits in [2, 4] {
            let plain = try error(
                RoundToNearest.encode(weight, bits: bits, groupSize: 32, symmetric: symmetric, searches: true))
            let extremes = try error(
                RoundToNearest.encode(weight, bits: bits, groupSize: 32, symmetric: symmetric, searches: false))
            let better = try error(
                GPTQ.encode(weight, hessian: hessian, name: "w", bits: bits, groupSize: 32, symmetric: symmetric))
            #expect(better < 0.7 * plain, "\(bits) bits: \(better) for \(plain)")
            #expect(plain <= extremes * 1.2)
        }
    }

    /// However rows and columns are taken together: numbers of outputs around the rows of a tile, groups that a block holds
    /// several of, that fill one and that take several.
    @Test(arguments: [(3, 64, 8), (16, 240, 40), (17, 384, 128), (33, 600, 300), (5, 320, 160)])
    func everyErrorIsSpreadInTheOrderOfTheColumns(_ outputs: Int, _ inputs: Int, _ groupSize: Int) throws {
        let weight = try random([outputs, inputs], seed: 11)
        let x = try random([700, inputs], seed: 12) + random([700, 1], seed: 13)
        let hessian = try x.transposed().contiguous().matmul(x).toArray(as: Float.self)
        let factor = try GPTQ.upperFactor(ofInverse: hessian, size: inputs, damping: 0.01, name: "w")
        for (bits, symmetric) in [(2, true), (4, true), (4, false)] {
            let found = try GPTQ.encode(
                weight, hessian: hessian, name: "w", bits: bits, groupSize: groupSize, symmetric: symmetric)
            // Its grids, and the codes one column after the other.
            var rows = try weight.toArray(as: Float.self), expected: [UInt8] = []
            for output in 0..<outputs {
                for column in 0..<inputs {
                    let group = output * found.groups + column / groupSize, scale = found.scales[group]
                    let zero = Float(found.zeros[group]), value = rows[output * inputs + column]
                    let code = min(max((value / scale).rounded() + zero, 0), Float((1 << bits) - 1))
                    expected.append(UInt8(code))
                    let error = (value - scale * (code - zero)) / factor[column * inputs + column]
                    for other in column + 1..<max(inputs, column + 1) {
                        rows[output * inputs + other] -= error * factor[column * inputs + other]
                    }
                }
            }
            #expect(found.codes == expected, "\(bits) bits, symmetric \(symmetric)")
        }
    }

    /// Sizes around the 64 columns that are taken together.
    @Test(arguments: [1, 12, 63, 64, 65, 131, 200]) func theFactorIsThatOfTheInverse(_ size: Int) throws {
        let x = try random([4 * size, size], seed: 9)
        let hessian = try x.transposed().contiguous().matmul(x).toArray(as: Float.self)
        let upper = try GPTQ.upperFactor(ofInverse: hessian, size: size, damping: 0, name: "w")
        let u = try Tensor(upper, shape: [size, size]), h = try Tensor(hessian, shape: [size, size])
        // UᵀU H = I.
        let product = try u.transposed().contiguous().matmul(u).matmul(h).toArray(as: Float.self)
        let most = product.enumerated().map { abs($1 - ($0 / size == $0 % size ? 1 : 0)) }.max() ?? 1
        #expect(most < 1e-3)
        #expect((0..<size).allSatisfy { row in (0..<row).allSatisfy { upper[row * size + $0] == 0 } })
        #expect(throws: QuantizationError.self) {
            _ = try GPTQ.upperFactor(
                ofInverse: [Float](repeating: 0, count: 144), size: 12, damping: 0.01, name: "w")
        }
    }

    @Test(arguments: QuantizationMethod.allCases) func whatIsWrittenIsRead(_ method: QuantizationMethod) throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let files = try ModelFiles(path: scratch.file("tiny"))
        var options = QuantizationMethodOptions(method)
        options.groupSize = 16
        let text = String(repeating: "The quick brown fox jumps over 13 lazy dogs, said Anna. ", count: 12)
        let windows = try TextWindows(
            text, name: "t", tokenizer: files.tokenizer(), method: .chunks(length: 32), limit: 4)
        for symmetric in method.hasSymmetry ? [true, false] : [true] {
            options.symmetric = symmetric
            let folder = scratch.file("out-\(symmetric)")
            // So little room that the calibration takes several passes.
            try PackedExport(files, options).write(toFolder: folder, windows: windows, memory: 20_000)
            let found = try ModelFiles(path: folder)
            #expect(try found.checkpoint.warnings().isEmpty)
            let decoder = try found.decoder()
            let stored = decoder.tree.linears.filter { $0.path.contains("layers") }.map { $0.matrix.storedType }
            #expect(stored.allSatisfy { $0 != "BF16" && $0 != "F32" }, "\(stored)")
            let tokens = try files.tokenizer().encode("The quick brown")
            let expected = try files.decoder()(tokens)
            let plain = try decoder(tokens)
            let size = try expected.abs().max(axes: []).item(as: Float.self)
            let limit: Float = [.int8, .smoothquant].contains(method) ? 0.2 : method == .fp4 ? 0.9 : 0.6
            // Factors that are folded in change the weights and not what is computed.
            let isFolded = method == .awq || method == .smoothquant
            // Weights themselves: four bits miss by a tenth, three bits of fraction by 1/40, eight bits by 1/100.
            let most = [.int8: 0.012, .fp8: 0.04, .fp8e5m2: 0.08, .fp4: 0.3][method] ?? 0.2
            for (own, given) in zip(decoder.tree.linears, try files.decoder().tree.linears) where !isFolded {
                let a = try own.matrix.float32Matrix(), b = try given.matrix.float32Matrix()
                let miss = try (a - b).square().mean().item(as: Double.self).squareRoot()
                let whole = try b.square().mean().item(as: Double.self).squareRoot()
                #expect(miss < most * whole, "\(method) \(own.path): \(miss) of \(whole)")
            }
            #expect(try (plain - expected).abs().max(axes: []).item(as: Float.self) < limit * size, "\(method)")
            // Prepared for products it computes the same.
            try decoder.prepare(.exact)
            #expect(try (decoder(tokens) - plain).abs().max(axes: []).item(as: Float.self) < 1e-4 * size)
            // Unpacked again, nothing says that it is packed.
            let unpacked = scratch.file("unpacked-\(symmetric)")
            try FolderExport(found, dtype: .float32).write(toFolder: unpacked)
            let again = try ModelFiles(path: unpacked)
            #expect(again.checkpoint.tensors.entries.allSatisfy { $0.dtype == .float32 })
            let configuration = try JSON(parsing: Folder.read(unpacked + "/config.json"))
            #expect(["quantization_config", "quantization"].allSatisfy { configuration[$0] == nil })
            // A packed table of groups of 16 is looked up in half precision.
            let close: Float = method == .mlx ? 2e-3 : 1e-4
            #expect(try (again.decoder()(tokens) - plain).abs().max(axes: []).item(as: Float.self) < close * size)
        }
    }

    /// What the plan of the memory says of the calibration is what it does.
    @Test(arguments: [QuantizationMethod.gptq, .awq, .smoothquant, .int8])
    func thePlanCountsPassesAndPackedBytes(_ method: QuantizationMethod) throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let files = try ModelFiles(path: scratch.file("tiny"))
        var options = QuantizationMethodOptions(method)
        options.groupSize = 16
        let export = try PackedExport(files, options), plan = try export.memoryNeeded(20_000, window: 32)
        let text = String(repeating: "The quick brown fox jumps over 13 lazy dogs, said Anna. ", count: 12)
        let windows = try TextWindows(
            text, name: "t", tokenizer: files.tokenizer(), method: .chunks(length: 32), limit: 3)
        var passes = 0
        try export.write(toFolder: scratch.file("out"), windows: windows, memory: 20_000) { what, done, count in
            if what == "calibration" && done == count { passes += 1 }
        }
        let usesHessians = method == .gptq || method == .awq
        #expect(usesHessians ? plan.passes == passes && passes > 1 : plan.passes == 0 && plan.hessians == 0)
        #expect(!usesHessians || (plan.hessians > 0 && plan.hessians <= 20_000))
        #expect(plan.mapped == files.checkpoint.tensors.byteCount)
        // Codes, scales and zeros; the folder has indices of groups beside them.
        let found = try ModelFiles(path: scratch.file("out")).checkpoint.tensors
        let suffixes = ["qweight", "qzeros", "scales", "weight", "SCB", "weight_scale"]
        let names = found.names.filter { name in
            name.contains(".layers.") && !name.contains("norm") && suffixes.contains { name.hasSuffix("." + $0) }
        }
        let bytes = names.reduce(0) { $0 + (found.entry($1)?.byteCount ?? 0) }
        #expect(abs(plan.packed - bytes) <= bytes / 50, "\(plan.packed) of \(bytes)")
        // 16 numbers for each input; queries, keys and values share theirs, and gates with what they scale.
        let inputs = try files.decoder().tree.linears.reduce(0) { sum, layer in
            let isFirst = ["q_proj", "o_proj", "gate_proj", "down_proj"].contains { layer.path.hasSuffix($0) }
            return sum + (isFirst ? layer.inputSize : 0)
        }
        #expect(inputs > 0 && plan.blocks == (method == .awq ? 4 * 16 * inputs : 0))
        #expect(plan.needed == plan.packed + plan.hessians + plan.blocks + plan.working)
    }

    /// Inputs some of whose numbers are much larger than the others, as those of layers are.
    private func outliers(_ tokens: Int, _ inputs: Int, seed: UInt64) throws -> Tensor {
        let sizes = (0..<inputs).map { Float($0 % 16 == 3 ? 12 : 1) }
        return try random([tokens, inputs], seed: seed) * Tensor(sizes, shape: [1, inputs])
    }

    @Test func scalesOfActivationsLeaveLessError() throws {
        let weight = try random([24, 64], seed: 21), x = try outliers(200, 64, seed: 22)
        let hessian = try x.transposed().contiguous().matmul(x)
        let factors = try AWQ.factors([weight], hessian: hessian, tokens: 200, bits: 3, groupSize: 32)
        let s = try Tensor(factors, shape: [1, 64])
        func loss(_ found: Tensor) throws -> Double {
            try x.matmul((found - weight).transposed().contiguous()).square().mean().item(as: Double.self)
        }
        let plain = try loss(RoundToNearest.rounded(weight, bits: 3, groupSize: 32))
        let scaled = try loss(RoundToNearest.rounded(weight * s, bits: 3, groupSize: 32) / s)
        #expect(scaled < 0.7 * plain, "\(scaled) of \(plain)")
        // And limits lose no more than none do.
        let blocks = try Tensor.concatenate(
            [0, 32].map { try hessian.narrow(0, from: $0, length: 32).narrow(1, from: $0, length: 32) })
        let limits = try AWQ.clips(weight, blocks: blocks.contiguous(), bits: 3, groupSize: 32)
        let cut = try AWQ.clipped(weight, limits, groupSize: 32)
        #expect(try loss(RoundToNearest.rounded(cut, bits: 3, groupSize: 32)) < plain)
    }

    @Test func outlierColumnsInFullLeaveLessError() throws {
        let weight = try random([24, 64], seed: 31), x = try outliers(50, 64, seed: 32)
        let exact = try x.matmul(weight.transposed().contiguous())
        func loss(_ threshold: Float?) throws -> Double {
            try (LLMInt8.product(x, weight, threshold: threshold) - exact).square().mean().item(as: Double.self)
        }
        let (parted, whole) = (try loss(6), try loss(nil))
        #expect(parted < 0.2 * whole, "\(parted) of \(whole)")
        let (codes, scales) = try LLMInt8.encode(weight)
        #expect(codes.count == 24 * 64 && scales.allSatisfy { $0 > 0 } && codes.contains(127) || codes.contains(-127))
    }

    @Test func smoothedInputsRoundBetter() throws {
        let weight = try random([24, 64], seed: 41), x = try outliers(50, 64, seed: 42)
        let largest = try x.abs().max(axes: [0]).toArray(as: Float.self)
        let factors = try SmoothQuant.factors([weight], largest: largest, migration: 0.5)
        let s = try Tensor(factors, shape: [1, 64]), exact = try x.matmul(weight.transposed().contiguous())
        func loss(_ x: Tensor, _ w: Tensor) throws -> Double {
            try (LLMInt8.product(x, w, threshold: nil) - exact).square().mean().item(as: Double.self)
        }
        let (smooth, rough) = (try loss(x / s, weight * s), try loss(x, weight))
        #expect(smooth < 0.5 * rough, "\(smooth) of \(rough)")
    }

    @Test func columnsInOrderAreWrittenWithTheirGroups() throws {
        let weight = try random([16, 64], seed: 51), x = try outliers(200, 64, seed: 52)
        let hessian = try x.transposed().contiguous().matmul(x).toArray(as: Float.self)
        let codes = try GPTQ.encodeInOrder(
            weight, hessian: hessian, name: "w", bits: 4, groupSize: 32, symmetric: true)
        let groups = try #require(codes.groupOfInput)
        // The columns that count most are in the first group.
        #expect(groups[3] == 0 && groups[19] == 0 && groups.filter { $0 == 0 }.count == 32)
        var values: [Float] = []
        for output in 0..<16 {
            for input in 0..<64 {
                let group = output * 2 + Int(groups[input])
                values.append(
                    codes.scales[group] * Float(Int(codes.codes[output * 64 + input]) - Int(codes.zeros[group])))
            }
        }
        let found = try Tensor(values, shape: [16, 64]),
            plain = try matrix(
                RoundToNearest.encode(weight, bits: 4, groupSize: 32, symmetric: true, searches: true))
        func loss(_ found: Tensor) throws -> Double {
            try x.matmul((found - weight).transposed().contiguous()).square().mean().item(as: Double.self)
        }
        #expect(try loss(found) < loss(plain))
    }

    @Test(arguments: [2, 4, 8]) func searchedGridsOfMLXLoseLessThanItsOwn(_ bits: Int) throws {
        var stream = RandomStream(seed: 61)
        let values = (0..<32 * 256).map { Float(stream.nextNormal()) * 0.02 + ($0 % 7 == 0 ? 0.01 : 0) }
        let weight = try Tensor(values, shape: [32, 256])
        func loss(_ searches: Bool) throws -> Double {
            let found = try MLXAffine.encode(weight, bits: bits, groupSize: 64, searches: searches)
            var sum = 0.0
            for index in values.indices {
                let place = index * bits, word = UInt32(bitPattern: found.words[place / 32])
                let code = Float(word >> UInt32(place % 32) & UInt32((1 << bits) - 1)), group = index / 64
                let miss = Double(found.scales[group] * code + found.biases[group] - values[index])
                sum += miss * miss
            }
            return sum
        }
        let (own, searched) = (try loss(false), try loss(true))
        #expect(searched < (bits == 8 ? 1 : 0.95) * own, "\(searched) of \(own)")
        // A group of zeros, and one of a single number.
        let flat = try MLXAffine.encode(Tensor.zeros([1, 64]), bits: bits, groupSize: 32)
        #expect(flat.words.allSatisfy { $0 == 0 } && flat.biases == [0, 0])
    }

    @Test func shapesThatAGroupDoesNotDivideAreNamed() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let files = try ModelFiles(path: scratch.file("tiny"))
        #expect {
            _ = try PackedExport(files, QuantizationMethodOptions(.gptq))
        } throws: { "\($0)".contains("groups of 128") && "\($0)".contains("remain") }
    }
}
