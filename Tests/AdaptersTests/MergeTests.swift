import MartletAdapters
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Several adapters merged, a model published again, and an adapter out of two models.
struct MergeTests {
    private func stored(_ seed: UInt64, rank: Int = 3, on decoder: Decoder) throws -> StoredAdapter {
        var configuration = AdapterConfiguration(.lora)
        (configuration.rank, configuration.alpha) = (rank, 6)
        let adapter = try Adapter(configuration, of: decoder, seed: seed)
        var random = RandomStream(seed: seed, stream: 2)
        var tensors: [String: Tensor] = [:]
        for (key, tensor) in try adapter.published() {
            tensors[key] = try Tensor.normal(tensor.shape, mean: 0, std: 0.1, using: &random)
        }
        return StoredAdapter(file: "test", form: .peft, configuration, tensors)
    }

    @Test(arguments: ["llama", "gpt2", "phi3"]) func sumsAreThoseOfBothAttached(_ name: String) throws {
        let one = try PEFTTests.decoder(name), other = try PEFTTests.decoder(name)
        let adapters = [try stored(1, on: one), try stored(2, rank: 5, on: one)]
        try AdapterMerge().merge([(adapters[0], 1), (adapters[1], 0.3)], into: one)
        try Adapter(adapters[0], of: other).attach()
        let second = try Adapter(adapters[1], of: other, name: "second")
        try second.setStrength(0.3)
        try second.attach()
        #expect(try PEFTTests.difference(AdapterTests.logits(one), AdapterTests.logits(other)) < 2e-5)
        #expect(one.tree.linears.allSatisfy { $0.adapters.isEmpty })
    }

    /// Merged with its weight negated, an adapter is out again.
    @Test func whatWasMergedIsTakenOut() throws {
        let decoder = try PEFTTests.decoder("llama"), before = try AdapterTests.logits(decoder)
        let adapter = try stored(1, on: decoder)
        try AdapterMerge().merge([(adapter, 1)], into: decoder)
        #expect(try PEFTTests.difference(AdapterTests.logits(decoder), before) > 1e-3)
        try AdapterMerge().merge([(adapter, -1)], into: decoder)
        #expect(try PEFTTests.difference(AdapterTests.logits(decoder), before) < 1e-5)
    }

    /// The paper's own small example: signs are elected by weight, and only those that agree are averaged.
    @Test func tiesElectsSigns() throws {
        var merge = AdapterMerge()
        (merge.method, merge.density) = (.ties, 1)
        var random = RandomStream(seed: 1)
        let a = try Tensor([3, -1, 2, 0.5] as [Float], shape: [2, 2])
        let b = try Tensor([1, -4, -5, 0] as [Float], shape: [2, 2])
        let all = try merge.combined([(a, 1), (b, 1)], &random)
        #expect(try all.toArray(as: Float.self) == [1, 2, 3, 4].enumerated().map { [2, -2.5, -5, 0.5][$0.offset] })
        merge.density = 0.5
        // Kept are 3 and 2 of the one, −4 and −5 of the other.
        let trimmed = try merge.combined([(a, 1), (b, 1)], &random)
        #expect(try trimmed.toArray(as: Float.self) == [3, -4, -5, 0])
    }

    @Test func dareKeepsTheMean() throws {
        var merge = AdapterMerge()
        (merge.method, merge.density) = (.dare, 0.25)
        var random = RandomStream(seed: 1)
        let ones = try Tensor.ones([100, 100])
        let dropped: [Float] = try merge.combined([(ones, 1)], &random).reshape([-1]).toArray()
        #expect(Set(dropped) == [0, 4])
        let mean: Float = dropped.reduce(0, +) / 10_000
        #expect(abs(mean - 1) < 0.1)
    }

    @Test func whatIsNoChangeOfWeightsIsRefused() throws {
        let decoder = try PEFTTests.decoder("llama")
        let prompt = try PEFTFolder.read(PEFTTests.goldens + "prompt")
        #expect(throws: AdapterError.self) { try AdapterMerge().merge([(prompt, 1)], into: decoder) }
        let untied = try PEFTTests.decoder("lora-saved")
        let saved = try PEFTFolder.read(PEFTTests.goldens + "lora-saved")
        #expect(throws: AdapterError.self) { try AdapterMerge().merge([(saved, 1), (saved, 1)], into: untied) }
    }

    /// A merged model, written by its family's names, opens as the same model: joined and transposed matrices too.
    @Test(arguments: ["lora", "lora-gpt2", "lora-phi3", "lora-saved", "lora-tokens", "dora-gpt2"])
    func aMergedModelIsPublished(_ name: String) throws {
        let decoder = try PEFTTests.decoder(name), scratch = try Scratch()
        try AdapterMerge().merge([(PEFTFolder.read(PEFTTests.goldens + name), 1)], into: decoder)
        let base = PEFTTests.goldens + "models/" + (PEFTTests.bases[name] ?? name)
        try SafetensorsWriter.write(PublishedModel.tensors(decoder), toFolder: scratch.path)
        try AtomicFile.write(scratch.path + "/config.json", bytes: Folder.read(base + "/config.json"))
        let again = try Checkpoint(path: scratch.path).decoder()
        #expect(try PEFTTests.difference(AdapterTests.logits(again), AdapterTests.logits(decoder)) < 1e-6, "\(name)")
    }

    @Test(arguments: ["llama", "gpt2", "phi3"]) func anAdapterIsExtractedFromTwoModels(_ name: String) throws {
        let base = try PEFTTests.decoder(name), tuned = try PEFTTests.decoder(name)
        try AdapterMerge().merge([(stored(4, on: base), 1)], into: tuned)
        let exact = try AdapterExtraction(base: base, tuned: tuned, rank: 3)
        #expect(exact.missed < 1e-3 && exact.leftOut.isEmpty, "\(exact.missed)")
        try Adapter(exact.adapter, of: base).attach()
        #expect(try PEFTTests.difference(AdapterTests.logits(base), AdapterTests.logits(tuned)) < 1e-3)
        #expect(try AdapterExtraction(base: PEFTTests.decoder(name), tuned: tuned, rank: 1).missed > 0.1)
    }
}

/// Deeper models that say the same.
struct BlockExpansionTests {
    @Test(arguments: ["llama", "gpt2", "phi3"]) func aDeeperModelSaysTheSameAndLearnsInItsNewBlocks(_ name: String)
        throws
    {
        let decoder = try PEFTTests.decoder(name), scratch = try Scratch()
        let expansion = try BlockExpansion(decoder, blocks: 2)
        #expect(expansion.added == [1, 3])
        let config = try JSON(parsing: Folder.read(PEFTTests.goldens + "models/\(name)/config.json"))
        try SafetensorsWriter.write(expansion.tensors, toFolder: scratch.path)
        try AtomicFile.write(scratch.path + "/config.json", bytes: expansion.configuration(config).bytes())
        let deeper = try Checkpoint(path: scratch.path).decoder()
        #expect(deeper.configuration.layerCount == 4)
        #expect(try PEFTTests.difference(AdapterTests.logits(deeper), AdapterTests.logits(decoder)) < 1e-6)
        var configuration = try AdapterConfiguration(named: "freeze")
        (configuration.trainedPatterns, configuration.layers) = (["layers"], expansion.added)
        let adapter = try Adapter(configuration, of: deeper)
        try adapter.attach()
        #expect(adapter.parameters.allSatisfy { $0.name.contains("layers.1.") || $0.name.contains("layers.3.") })
        try deeper.hiddenStates(AdapterTests.tokens, segments: [0..<8]).square().sum().backward()
        #expect(adapter.parameters.contains { $0.tensor.gradient != nil })
        #expect(throws: AdapterError.self) { try BlockExpansion(decoder, blocks: 3) }
    }
}

/// Models with further tokens.
struct TokenExpansionTests {
    @Test(arguments: ["llama", "gpt2", "phi3"]) func newTokensAreMeansAndChangeNothingElse(_ name: String) throws {
        let decoder = try PEFTTests.decoder(name), scratch = try Scratch()
        let rows = decoder.configuration.vocabularySize, known = rows - 1
        // The last row is one to spare: it becomes the first new token's.
        let expansion = try TokenExpansion(decoder, adding: 3, to: known)
        #expect(expansion.ids == known..<known + 3 && expansion.rowCount == rows + 2)
        let config = try JSON(parsing: Folder.read(PEFTTests.goldens + "models/\(name)/config.json"))
        try SafetensorsWriter.write(expansion.tensors, toFolder: scratch.path)
        try AtomicFile.write(scratch.path + "/config.json", bytes: expansion.configuration(config).bytes())
        let larger = try Checkpoint(path: scratch.path).decoder()
        #expect(larger.configuration.vocabularySize == rows + 2)
        let before = try AdapterTests.logits(decoder), after = try AdapterTests.logits(larger)
        let (old, new) = (before.shape[before.rank - 1], after.shape[after.rank - 1])
        #expect((old, new) == (rows, rows + 2))
        let a = try before.toArray(as: Float.self), b = try after.toArray(as: Float.self)
        for place in 0..<a.count / old {
            var mean = 0.0
            for token in 0..<known {
                #expect(abs(a[place * old + token] - b[place * new + token]) < 1e-5)
                mean += Double(a[place * old + token]) / Double(known)
            }
            // Products are linear: the logit of a mean is the mean of the logits.
            for token in expansion.ids { #expect(abs(Double(b[place * new + token]) - mean) < 1e-4) }
        }
        let spare = try TokenExpansion(decoder, adding: 1, to: known)
        #expect(spare.rowCount == rows && spare.configuration(config)["vocab_size"] == config["vocab_size"])
        #expect(throws: AdapterError.self) { try TokenExpansion(decoder, adding: 1, to: rows + 1) }
    }
}
