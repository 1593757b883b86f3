import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

import MartletInterpretability

/// Paths, neurons, routers, the tuned lens and steered replies.
struct InterventionTests {
    private let clean = PatchingTests.clean, corrupted = PatchingTests.corrupted

    /// Without feed-forward layers in between, a path from a head to the logits is what its output adds to the last residual.
    @Test func directPathsAreWhatHeadsAdd() throws {
        let probe = ModelProbe(try PatchingTests.model())
        let paths = try PathPatching(
            probe, clean: clean, corrupted: corrupted, answer: 12, wrong: 40, throughFeedForward: false)
        let names: [ActivationName] = [
            ActivationName(layer: 0, .heads), ActivationName(layer: 1, .heads),
            ActivationName(layer: 1, .residualAfter),
        ]
        let good = try probe.run(clean, keeping: Set(names)), bad = try probe.run(corrupted, keeping: Set(names))
        let last = clean.count - 1
        for layer in 0..<2 {
            let projection = try #require(
                try probe.decoder.tree.find("model.layers.\(layer).self_attn.o_proj").first as? Linear)
            for head in 0..<4 {
                let width = 8
                let change = try Tensor.zeros([1, 32])
                let part = try bad(names[layer]) - good(names[layer])
                try change.slice(1, from: head * width, to: (head + 1) * width).copy(
                    from: part.slice(0, from: last, to: last + 1).slice(1, from: head * width, to: (head + 1) * width))
                let stream = try good(names[2]).leadingRows(last, count: 1) + projection(change)
                let logits: [Float] = try probe.decoder.logits(ofResidual: stream).toArray()
                let d = Double(logits[12]) - Double(logits[40])
                let expected = (paths.clean - d) / (paths.clean - paths.corrupted)
                #expect(abs(expected - paths.effects[layer][head]) < 1e-4 * max(1, abs(expected)))
            }
        }
    }

    @Test func pathsEndAtTheirReceiver() throws {
        let probe = ModelProbe(try PatchingTests.model())
        let name = ActivationName(layer: 1, .queries)
        let paths = try PathPatching(
            probe, clean: clean, corrupted: corrupted, answer: 12, wrong: 40, receiver: .activation(name, head: 2))
        #expect(paths.effects[1].allSatisfy { $0 == 0 } && paths.effects[0].contains { $0 != 0 })
        let same = try PathPatching(
            probe, clean: clean, corrupted: corrupted, answer: 12, wrong: 40, receiver: .activation(name, head: nil))
        #expect(same.effects[0] != paths.effects[0])
        #expect(throws: InterpretabilityError.self) {
            try PathPatching(
                probe, clean: clean, corrupted: corrupted, answer: 12, wrong: 40,
                receiver: .activation(ActivationName(layer: 1, .pattern), head: nil))
        }
        #expect(throws: InterpretabilityError.self) {
            try PathPatching(
                probe, clean: clean, corrupted: corrupted, answer: 12, wrong: 40, receiver: .activation(name, head: 4))
        }
        #expect(throws: InterpretabilityError.self) {
            try PathPatching(probe, clean: clean, corrupted: [1], answer: 12, wrong: 40)
        }
    }

    /// A neuron's score is what one unit of it adds to the logit difference at the norm's own scale.
    @Test func neuronsAreFoundByWhatTheyWrite() throws {
        let model = try PatchingTests.model(), search = NeuronSearch(model), decoder = model.decoder
        let found = try search.writing(12, less: 40, count: 96)
        #expect(search.layers == [0, 1] && found.count == 96)
        #expect(zip(found, found.dropFirst()).allSatisfy { $0.score >= $1.score })
        let best = found[0]
        let down = try #require(
            try decoder.tree.find("model.layers.\(best.layer).mlp.down_proj").first as? Linear)
        let matrix: [Float] = try down.matrix.float32Rows(0..<32).toArray()
        let norm = try #require(try decoder.tree.find("model.norm").first as? Norm)
        let gain: [Float] = try #require(norm.weight).toArray()
        let head = try decoder.lossHead.weight
        let a: [Float] = try head.float32Rows(12..<13).toArray(), b: [Float] = try head.float32Rows(40..<41).toArray()
        var expected = 0.0
        for row in 0..<32 {
            expected += Double(matrix[row * 48 + best.neuron]) * Double(gain[row]) * Double(a[row] - b[row])
        }
        #expect(abs(expected - best.score) < 1e-4 * max(1, abs(expected)))
        #expect(throws: InterpretabilityError.self) { try search.writing(-1) }
    }

    @Test func neuronsTellTextsApartAndShowWhere() throws {
        let model = try PatchingTests.model(), search = NeuronSearch(model)
        let letters = ["aaa aab", "aba aaa", "aab baa"], digits = ["123 456", "777 123", "456 111"]
        func tokens(_ texts: [String]) throws -> [[Int32]] { try texts.map { try model.tokenizer.encode($0) } }
        let found = try search.telling(tokens(letters), from: tokens(digits), count: 3)
        #expect(found.count == 3 && found[0].score > 1)
        let text = try model.tokenizer.encode("123 aaa 456 aab 789 aba", addSpecialTokens: false)
        let shown = try search.examples(of: found, in: text, count: 4)
        for neuron in shown {
            #expect(!neuron.examples.isEmpty && neuron.examples.count <= 4)
            #expect(zip(neuron.examples, neuron.examples.dropFirst()).allSatisfy { $0.value >= $1.value })
        }
        // The values are the activations themselves.
        let probe = ModelProbe(model), name = ActivationName(layer: shown[0].layer, .neurons)
        let values: [Float] = try probe.run(text, keeping: [name] as Set)(name).toArray()
        let own = text.indices.dropFirst().map { values[$0 * 48 + shown[0].neuron] }
        #expect(shown[0].examples[0].value == own.max().map { Double($0) })
        #expect(throws: InterpretabilityError.self) { try search.telling(tokens(letters), from: []) }
        #expect(throws: InterpretabilityError.self) {
            try search.examples(of: [.init(layer: 0, neuron: 48, score: 0)], in: text)
        }
    }

    @Test func aTunedLensForeseesBetterThanNone() throws {
        let model = try PatchingTests.model(), scratch = try Scratch()
        let text = String(repeating: "the cat sat on a mat. Some dogs ran! 1 + 2 = 3. ", count: 60)
        let tokens = try model.tokenizer.encode(text, addSpecialTokens: false)
        var options = TunedLens.Options()
        (options.steps, options.piece, options.learningRate) = (120, 32, 1e-2)
        let lens = try TunedLens(model, tokens: tokens, options)
        for layer in 0..<2 {
            #expect(lens.report.tuned[layer] < 0.7 * lens.report.logitLens[layer], "\(lens.report)")
        }
        let probe = ModelProbe(model), prompt = Array(tokens.prefix(12))
        let plain = try LogitLens(probe, prompt), tuned = try LogitLens(probe, prompt, tuned: lens)
        #expect(plain.guesses.last == tuned.guesses.last && plain.guesses[0] != tuned.guesses[0])
        try lens.write(to: scratch.file("lens.safetensors"))
        let read = try TunedLens(path: scratch.file("lens.safetensors"), for: probe)
        #expect(try LogitLens(probe, prompt, tuned: read).guesses == tuned.guesses)
        var other = TinyModel()
        other.layerCount = 3
        let folder = try Scratch()
        try other.write(folder: folder.path)
        #expect(throws: InterpretabilityError.self) {
            try TunedLens(
                path: scratch.file("lens.safetensors"), for: ModelProbe(try LanguageModel(path: folder.path)))
        }
        #expect(throws: InterpretabilityError.self) { try TunedLens(model, tokens: Array(tokens.prefix(100)), options) }
    }

    /// A lens of maps that are 0 is the logit lens.
    @Test func anUntrainedLensIsTheLogitLens() throws {
        let model = try PatchingTests.model()
        let tokens = (0..<400).map { Int32($0 % 90) }
        var options = TunedLens.Options()
        (options.steps, options.piece) = (0, 32)
        let lens = try TunedLens(model, tokens: tokens, options)
        #expect(lens.report.tuned == lens.report.logitLens)
    }

    @Test func repliesAreSteeredAlone() throws {
        let model = try PatchingTests.model(), probe = ModelProbe(model), scratch = try Scratch()
        let vector = try SteeringVector(probe, layer: 0, towards: [[5, 6, 7]], from: [[10, 11, 12]])
        let prompt: [Int32] = [20, 21, 22]
        let plain = try vector.continuation(model, of: prompt, strength: 0, count: 8)
        let steered = try vector.continuation(model, of: prompt, strength: 3, count: 8)
        // Without strength it is the greedy reply of the model, and so it is afterwards.
        var expected: [Int32] = [], text = prompt
        while expected.count < 8 {
            let logits = try probe.run(text, keeping: [] as Set).lastLogits()
            let token = Int32(try #require(logits.indices.max { logits[$0] < logits[$1] }))
            if model.endTokens.contains(token) { break }
            expected.append(token)
            text.append(token)
        }
        #expect(plain.tokens == expected)
        let again = try vector.continuation(model, of: prompt, strength: 0, count: 8)
        #expect(again.tokens == expected)
        // The logits are those of a pass with the vector added to every token.
        let edit = ActivationEdit.add(ActivationName(layer: 0, .residualAfter), vector.values, strength: 3)
        let logits = try probe.run(prompt, keeping: [] as Set, editing: [edit]).lastLogits()
        #expect(zip(logits, steered.logits).allSatisfy { abs($0 - $1) < 1e-5 * max(1, abs($0)) })
        try vector.write(to: scratch.file("v.safetensors"))
        #expect(try SteeringVector(path: scratch.file("v.safetensors")) == vector)
        #expect(throws: InterpretabilityError.self) {
            try SteeringVector(layer: 9, values: vector.values).continuation(model, of: prompt, strength: 1, count: 1)
        }
    }

    @Test func gradientsAreAddedUpUntilTheyAreComplete() throws {
        let probe = ModelProbe(try PatchingTests.model())
        let found = try GradientAttribution(
            probe, clean, token: 12, less: 40, steps: 1, tolerance: 0.01, mostSteps: 1024)
        #expect(found.isConverged == true && abs(found.gap) <= 0.01 * abs(found.value - found.baseline))
        #expect(found.convergence.map(\.steps) == (0..<found.convergence.count).map { 1 << $0 })
        let few = try GradientAttribution(probe, clean, token: 12, less: 40, steps: 1, tolerance: 1e-12, mostSteps: 2)
        #expect(few.isConverged == false && few.convergence.count == 2)
    }

    /// A mixture's router is seen and replaced: with one expert's probability at 1, another sum comes out.
    @Test func routersAreSeenAndReplaced() throws {
        let layer = LayerSpec(
            norm: NormSpec(epsilon: 1e-5), attention: AttentionSpec(heads: 2, headDimension: 8),
            feedForward: FeedForwardSpec(
                size: 24, activation: .silu, experts: RouterSpec(count: 4, active: 2, normalizesWeights: true)))
        let spec = DecoderConfiguration(
            family: "tiny", vocabularySize: 64, hiddenSize: 16, contextLength: 32, layerCount: 2, layer: layer,
            tiedEmbeddings: true)
        let decoder = Decoder(Initializer(.xavierUniform, seed: 4), spec), probe = ModelProbe(decoder)
        let name = ActivationName(layer: 1, .router)
        #expect(probe.names.contains(name) && !probe.names.contains { $0.part == .neurons })
        #expect(try ActivationName.names("blocks.1.mlp.hook_expert_weights", layerCount: 2) == [name])
        let tokens: [Int32] = [3, 9, 27]
        let plain = try probe.run(tokens, keeping: [name] as Set)
        let shares: [Float] = try plain(name).toArray()
        #expect(shares.count == 12)
        for row in 0..<3 {
            let sum: Float = shares[row * 4..<(row + 1) * 4].reduce(0, +)
            #expect(abs(sum - 1) < 1e-5)
        }
        let own = try probe.run(tokens, editing: [.replace(name, with: try plain(name))])
        #expect(try PatchingTests.bits(own) == PatchingTests.bits(plain))
        let forced = ActivationEdit(name) { own in
            try Tensor((0..<12).map { Float($0 % 4 == 3 ? 1 : 0) }, shape: own.shape)
        }
        #expect(try PatchingTests.bits(probe.run(tokens, editing: [forced])) != PatchingTests.bits(plain))
        #expect(throws: InterpretabilityError.notSeen("layers.0.feedforward.neurons")) {
            try probe.run(tokens, keeping: ["layers.0.feedforward.neurons"])
        }
    }
}
