import Foundation
import MartletFormats
import MartletInference
import MartletModels
import MartletNN
import MartletQuantization
import MartletTensor
import Testing
import TinyModels

/// Methods that write folders: what they lose, and that what they write is read.
@Suite struct MethodTests {
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

    @Test func theFactorIsThatOfTheInverse() throws {
        let x = try random([40, 12], seed: 9)
        let hessian = try x.transposed().contiguous().matmul(x).toArray(as: Float.self)
        let upper = try GPTQ.upperFactor(ofInverse: hessian, size: 12, damping: 0, name: "w")
        let u = try Tensor(upper, shape: [12, 12]), h = try Tensor(hessian, shape: [12, 12])
        // UᵀU H = I.
        let product = try u.transposed().contiguous().matmul(u).matmul(h).toArray(as: Float.self)
        for i in 0..<144 { #expect(abs(product[i] - (i / 12 == i % 12 ? 1 : 0)) < 1e-3) }
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
        for symmetric in method.hasGroups ? [true, false] : [true] {
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
            let limit: Float = method == .int8 ? 0.2 : 0.6
            // Weights themselves: four bits miss by a tenth, three bits of fraction by 1/40, eight bits by 1/100.
            let most = [.int8: 0.012, .fp8: 0.04][method] ?? 0.2
            for (own, given) in zip(decoder.tree.linears, try files.decoder().tree.linears) {
                let a = try own.matrix.float32Matrix(), b = try given.matrix.float32Matrix()
                let miss = try (a - b).square().mean().item(as: Double.self).squareRoot()
                let whole = try b.square().mean().item(as: Double.self).squareRoot()
                #expect(miss < most * whole, "\(method) \(own.path): \(miss) of \(whole)")
            }
            #expect(try (plain - expected).abs().max(axes: []).item(as: Float.self) < limit * size, "\(method)")
            // Prepared for products it computes the same.
            try decoder.prepare(.exact)
            #expect(try (decoder(tokens) - plain).abs().max(axes: []).item(as: Float.self) < 1e-4 * size)
        }
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
