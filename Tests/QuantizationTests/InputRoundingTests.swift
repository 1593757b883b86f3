import MartletFormats
import MartletInference
import MartletModels
import MartletNN
import MartletQuantization
import MartletTensor
import Testing
import TinyModels

/// Inputs of eight bits, each token with a scale of its own, outliers in full.
struct InputRoundingTests {
    private func random(_ shape: Shape, seed: UInt64) throws -> Tensor {
        var stream = RandomStream(seed: seed)
        return try Tensor((0..<shape.elementCount).map { _ in Float(stream.nextNormal()) }, shape: shape)
    }

    /// The layout of bitsandbytes: codes of bytes, a scale for each output.
    private func matrix(_ weight: Tensor, _ rounding: InputRounding) throws -> GroupAffineMatrix {
        let (codes, scales) = try LLMInt8.encode(weight), outputs = weight.shape[0], inputs = weight.shape[1]
        return try GroupAffineMatrix(
            PackedCodes(Tensor(codes, shape: weight.shape), layout: .bytes, bits: 8, outputs: outputs, inputs: inputs),
            storedType: "INT8", scales: scales.map { $0 / 127 }, zeros: [Int16](repeating: 128, count: outputs),
            groupOfInput: [Int32](repeating: 0, count: inputs), parameters: [], inputRounding: rounding)
    }

    @Test(arguments: [6, nil] as [Float?]) func productsAreThoseOfLLMInt8(_ threshold: Float?) throws {
        let weight = try random([37, 96], seed: 1), rounding = InputRounding(threshold: threshold)
        let stored = try matrix(weight, rounding), whole = try stored.float32Matrix()
        var values = try random([9, 96], seed: 2).toArray(as: Float.self)
        for token in 0..<9 where token != 4 { values[token * 96 + 5 + token] = token % 2 == 0 ? 20 : -9 }
        let x = try Tensor(values, shape: [9, 96])
        let packed = try stored.packed(exact: false)
        packed.inputRounding = rounding
        let found = try PackedMatrix.multiply(x, by: [packed])[0]
        for token in 0..<9 {
            let row = try x.narrow(0, from: token, length: 1).contiguous()
            let alone = try PackedMatrix.multiply(row, by: [packed])[0].toArray(as: Float.self)
            #expect(alone == (try found.narrow(0, from: token, length: 1).toArray(as: Float.self)))
            // A token alone is a batch of the paper's.
            let wanted = try LLMInt8.product(row, whole, threshold: threshold).toArray(as: Float.self)
            let size = wanted.map(abs).max() ?? 1
            for (a, b) in zip(alone, wanted) { #expect(abs(a - b) < 2e-5 * size, "\(token): \(a) \(b)") }
        }
        // Without outliers taken out the others lose more.
        let exact = try x.matmul(whole.transposed().contiguous())
        let miss = try (found - exact).square().mean().item(as: Double.self).squareRoot()
        #expect(threshold == nil ? miss > 0.2 : miss < 0.1, "\(miss)")
    }

    @Test(arguments: [QuantizationMethod.int8, .smoothquant]) func foldersAreComputedAsTheyAsk(
        _ method: QuantizationMethod
    ) throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let files = try ModelFiles(path: scratch.file("tiny"))
        let text = String(repeating: "The quick brown fox jumps over 13 lazy dogs, said Anna. ", count: 12)
        let windows = try TextWindows(
            text, name: "t", tokenizer: files.tokenizer(), method: .chunks(length: 32), limit: 4)
        try PackedExport(files, QuantizationMethodOptions(method)).write(
            toFolder: scratch.file("out"), windows: method.needsCalibration ? windows : nil)
        let decoder = try ModelFiles(path: scratch.file("out")).decoder()
        let tokens = try files.tokenizer().encode("The quick brown fox")
        try decoder.prepare(.fast)
        let plain = try decoder(tokens)
        try decoder.prepare(.int8Inputs)
        let rounded = try decoder(tokens)
        let size = try plain.abs().max(axes: []).item(as: Float.self)
        let miss = try (rounded - plain).abs().max(axes: []).item(as: Float.self)
        #expect(miss > 0 && miss < 0.1 * size, "\(miss) of \(size)")
        // What training with rounded inputs computes is the same product.
        let trained = try ModelFiles(path: scratch.file("out")).decoder()
        for (layer, packed) in zip(trained.tree.linears, decoder.tree.linears) {
            layer.roundsInputsInTraining = packed.roundsInputs
        }
        if method == .smoothquant {
            let other = try (trained(tokens) - rounded).abs().max(axes: []).item(as: Float.self)
            #expect(other < 0.5 * miss, "\(other), \(miss)")
        }
        // What cannot be prepared is as before.
        let other = try files.decoder()
        try other.prepare(.fast)
        #expect(throws: ModuleError.noRoundedInputs) { try other.prepare(.int8Inputs) }
        #expect(other.tree.linears.allSatisfy { $0.preparedByteCount == 0 && $0.precision == .fast })
    }
}
