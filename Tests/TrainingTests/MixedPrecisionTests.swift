import MartletFormats
import MartletInference
import MartletJSON
import MartletTensor
import MartletTraining
import Testing

struct MixedPrecisionTests: TinyRuns {
    private func losses(_ trainer: Trainer) throws -> [Double] {
        var losses: [Double] = []
        try trainer.train { if case .step(let report) = $0 { losses.append(report.loss) } }
        return losses
    }

    @Test(arguments: ["bf16", "fp16"])
    func lossStaysNearFloat32AndTheSavedModelIsTheTrainedOne(precision: String) throws {
        let folder = try scratch("mixed-\(precision)")
        let data = try TrainingData(folder: folder + "/data")
        let plain = try losses(Trainer(run: folder + "/plain", options: options(["steps": 40]), data: data))
        let trainer = try Trainer(
            run: folder + "/run", options: options(["steps": 40, "precision": .string(precision)]), data: data)
        let rounded = try losses(trainer)
        for (a, b) in zip(plain, rounded) { #expect(abs(a - b) < 0.03 * a, "\(a) in float32, \(b)") }
        let file = try SafetensorsFile(path: folder + "/run/model.safetensors")
        let matrix = try file.tensor("model.layers.0.mlp.up_proj.weight")
        #expect(matrix.dtype == (precision == "bf16" ? .bfloat16 : .float16))
        #expect(try file.tensor("model.norm.weight").dtype == .float32)
        let model = try LanguageModel(path: folder + "/run", precision: .exact)
        let ids: [Int32] = [5, 6, 7, 8]
        let found: [Float] = try model.decoder(ids).toArray()
        let wanted: [Float] = try #require(try trainer.decoder?(ids).detach().toArray())
        #expect(zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test(arguments: [("bf16", 0.0), ("fp16", 0.0), ("bf16", 0.9)])
    func resumedRunEndsWithTheSameBits(precision: String, ema: Double) throws {
        let folder = try scratch("mixed-resume-\(precision)")
        let options = try options(["precision": .string(precision), "ema": .number(ema)])
        try expectSameBitsWhenResumed(folder, options) { first, second in
            #expect(second.mixed?.scaler == first.mixed?.scaler)
        }
    }

    @Test(arguments: [("high", 1e-3), ("medium", 0.03)])
    func productsInLowerPrecisionTakeTheSameWayOrAreRefused(precision: String, miss: Double) throws {
        let folder = try scratch("matmul-\(precision)")
        let data = try TrainingData(folder: folder + "/data")
        let wanted = try #require(MatmulPrecision(rawValue: precision))
        // Wide enough that products are computed on tiles.
        func run(_ name: String, _ precision: String) throws -> [Double] {
            let options = try options(["steps": 10, "hidden_size": 64, "matmul_precision": .string(precision)])
            return try losses(Trainer(run: folder + "/" + name, options: options, data: data))
        }
        guard wanted.isAvailable else {
            let error = #expect(throws: TrainingError.self) {
                try run("refused", precision)
            }
            #expect(error?.description.contains("AMX") == true)
            return
        }
        let plain = try run("plain", "highest"), other = try run("other", precision)
        #expect(plain != other, "some product was computed on tiles")
        for (a, b) in zip(plain, other) { #expect(abs(a - b) < miss * a, "\(a) in float32, \(b)") }
    }

    @Test(arguments: [("int8", 0.03), ("int4", 0.15), ("ternary", 0.4)])
    func quantisationAwareRunsLearnAndSaveTheRoundedModel(qat: String, miss: Double) throws {
        let folder = try scratch("qat-\(qat)")
        let data = try TrainingData(folder: folder + "/data")
        let plain = try losses(Trainer(run: folder + "/plain", options: options(["steps": 40]), data: data))
        let trainer = try Trainer(
            run: folder + "/run", options: options(["steps": 40, "qat": .string(qat), "qat_group": 8]), data: data)
        let rounded = try losses(trainer)
        #expect(
            rounded[39] < rounded[0] && abs(rounded[39] - plain[39]) < miss * plain[39], "\(rounded[39]), \(plain[39])")
        let file = try SafetensorsFile(path: folder + "/run/model.safetensors")
        let matrix = try file.tensor("model.layers.0.mlp.up_proj.weight")
        // A row of the saved matrix has few levels: those of its groups' grids.
        let row = try matrix.narrow(0, from: 0, length: 1).narrow(1, from: 0, length: 8).contiguous().toArray(
            as: Float.self)
        let least = Set(row.map(abs)).filter { $0 > 0 }.min() ?? 1
        if qat == "ternary" {
            let all = try matrix.toArray(as: Float.self)
            #expect(Set(all.map(abs)).count <= 2, "\(Set(all.map(abs)))")
        } else {
            let top: Float = qat == "int8" ? 128 : 8, most = row.map(abs).max() ?? 0
            #expect(most / least <= top + 0.01)
        }
        // Embeddings stay as they are, and what is saved is what was trained.
        let table = try file.tensor("model.embed_tokens.weight").toArray(as: Float.self)
        #expect(Set(table.map(abs)).count > 100)
        let model = try LanguageModel(path: folder + "/run", precision: .exact)
        let ids: [Int32] = [5, 6, 7, 8]
        let found: [Float] = try model.decoder(ids).toArray(),
            wanted: [Float] = try #require(try trainer.decoder?(ids).detach().toArray())
        #expect(zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-4 })
        // Rounding is the identity for gradients: the masters move between the levels.
        let master = try #require(trainer.parameters.first { $0.name == "model.layers.0.mlp.up_proj.weight" })
        #expect(try Set(master.tensor.detach().toArray(as: Float.self)).count > 100)
    }

    @Test func aQuantisationAwareRunResumesWithTheSameBits() throws {
        let folder = try scratch("qat-resume")
        try expectSameBitsWhenResumed(folder, options(["qat": "int4", "qat_group": 8])) { _, _ in }
    }

    /// int8 with one scale for each output and inputs of eight bits, and BitNet's ternary weights: they learn, and what was
    /// computed is what the saved model computes with its inputs rounded.
    @Test(arguments: [("int8", 0.1), ("ternary", 0.6)]) func inputsAreRoundedWithTheWeights(
        qat: String, miss: Double
    ) throws {
        let folder = try scratch("qat-inputs-\(qat)")
        let data = try TrainingData(folder: folder + "/data")
        let plain = try losses(Trainer(run: folder + "/plain", options: options(["steps": 40]), data: data))
        let more: [String: JSON] = ["steps": 40, "qat": .string(qat), "qat_group": 0, "qat_activations": "int8"]
        let trainer = try Trainer(run: folder + "/run", options: options(more), data: data)
        let rounded = try losses(trainer)
        #expect(
            rounded[39] < rounded[0] && abs(rounded[39] - plain[39]) < miss * plain[39], "\(rounded[39]), \(plain[39])")
        let saved = try ModelFiles(path: folder + "/run").decoder(), ids: [Int32] = [5, 6, 7, 8]
        let trained = try #require(try trainer.decoder?(ids).detach().toArray(as: Float.self))
        func distance() throws -> Float {
            zip(try saved(ids).toArray(as: Float.self), trained).map { abs($0 - $1) }.max() ?? .infinity
        }
        let unrounded = try distance()
        #expect(unrounded > 0)
        for layer in saved.tree.linears where layer.path.contains(".layers.") { layer.roundsInputsInTraining = true }
        // A sum of another order can move an input to the next level, so these are not always the same bits.
        let again = try distance()
        #expect(again < 0.1 * unrounded, "\(again) of \(unrounded)")
    }

    @Test func whatQuantisationAwarenessDoesNotGoWithIsRefused() throws {
        for (more, word) in [
            (["qat_activations": "int8"], "say what qat is"), (["qat": "int4", "qat_group": 0], "int8's alone"),
            (["qat": "int8", "qat_group": 5], "8 inputs or more"),
        ] as [([String: JSON], String)] {
            #expect {
                _ = try ResolvedOptions(options(more), vocabularySize: 100)
            } throws: { "\($0)".contains(word) }
        }
        #expect {
            _ = try ResolvedOptions(options(["qat": "int4", "precision": "bf16"]), vocabularySize: 100)
        } throws: { "\($0)".contains("leave precision at fp32") }
    }

    @Test func stepWhoseGradientsOverflowIsLeftOut() throws {
        let folder = try scratch("mixed-overflow")
        let data = try TrainingData(folder: folder + "/data")
        let trainer = try Trainer(run: folder + "/run", options: options(["precision": "fp16"]), data: data)
        trainer.mixed?.scaler = LossScaler(["scale": .number(0x1p24)])
        var norms: [Double] = []
        try trainer.train { if case .step(let report) = $0 { norms.append(report.gradientNorm) } }
        let scaler = try #require(trainer.mixed?.scaler)
        #expect(norms.first == 0 && norms.last != 0)
        #expect(scaler.scale == 0x1p24 / Double(1 << norms.filter { $0 == 0 }.count))
        for parameter in trainer.parameters {
            #expect(try parameter.tensor.detach().isFinite().all(axes: []).item(as: Bool.self))
        }
    }

    @Test func factorHalvesDoublesAndGivesUp() throws {
        var scaler = LossScaler()
        let start = scaler.scale
        for _ in 0..<LossScaler.patience { scaler.succeeded() }
        #expect(scaler.scale == 2 * start && scaler.goodSteps == 0)
        scaler.succeeded()
        try scaler.overflowed(step: 1)
        #expect(scaler.scale == start && scaler.goodSteps == 0)
        #expect(LossScaler(scaler.state) == scaler)
        #expect(throws: TrainingError.self) { for _ in 0..<40 { try scaler.overflowed(step: 7) } }
    }
}
