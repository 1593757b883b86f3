import MartletData
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTraining
import Testing
import TinyModels

/// Pairs of texts and replaced tokens: what is made of rows, and losses against transformers
/// (Tests/ModelsTests/Goldens/make_pretraining.py).
struct EncoderObjectiveTests {
    private func spec() throws -> EncoderConfiguration {
        var shape = ModelShape()
        shape.family = "bert"
        (shape.vocabularySize, shape.contextLength, shape.layers, shape.hiddenSize) = (200, 64, 1, 16)
        (shape.heads, shape.keyValueHeads, shape.intermediateSize) = (2, 2, 24)
        guard case .encoder(let spec, _) = try shape.architecture() else { throw Missing(name: "an encoder") }
        return spec
    }

    private struct Missing: Error { let name: String }

    /// Rows of 32 tokens, each counting up from ten times its number.
    private func rows(_ count: Int) -> TrainingBatch {
        var batch = TrainingBatch(rows: count, length: 32)
        batch.segments = (0..<count).map { TrainingBatch.Segment(row: $0, start: 0, end: 32) }
        for place in batch.inputs.indices { batch.inputs[place] = Int32(20 + place / 32 % 5 * 32 + place % 32) }
        return batch
    }

    private func objective(_ kind: SentencePairs.Kind) throws -> SentencePairs {
        let model = SentencePairModel(Initializer(.normal(deviation: 0.3, layers: 1), seed: 3), try spec())
        var masking = TokenMasking(mask: 3, vocabularySize: 200, special: [0, 1, 2, 3], begin: 1, end: 2)
        masking.rate = 0.2
        var objective = SentencePairs(model, masking, kind, separator: 2)
        let other = rows(5).inputs
        objective.otherText = { stream in
            let row = Int(stream.next() % 5)
            return Array(other[row * 32..<(row + 1) * 32])
        }
        return objective
    }

    // MARK: - What pairs are

    @Test(arguments: [SentencePairs.Kind.nextSentence, .sentenceOrder])
    func pairsAreCutFromTexts(_ kind: SentencePairs.Kind) throws {
        let objective = try objective(kind)
        var stream = RandomStream(seed: 5), labels: [Int32] = []
        for row in 0..<200 {
            let text = (0..<Int32(32)).map { 20 + Int32(row % 5) * 32 + $0 }
            let pair = try objective.pair(of: text, &stream)
            // Another text's second part may be shorter than its own.
            let count = pair.tokens.count
            #expect(pair.label == 1 && kind == .nextSentence ? count <= 32 : count == 32)
            #expect(pair.types.count == count && pair.tokens.first == 1 && pair.tokens.last == 2)
            let cut = try #require(pair.types.firstIndex(of: 1))
            #expect(pair.tokens[cut - 1] == 2 && pair.types[cut...].allSatisfy { $0 == 1 })
            let first = Array(pair.tokens[1..<cut - 1]), second = Array(pair.tokens[cut..<count - 1])
            #expect(!first.isEmpty && !second.isEmpty)
            // Both parts are runs of a text.
            for part in [first, second] { #expect(zip(part, part.dropFirst()).allSatisfy { $1 == $0 + 1 }) }
            let label = try #require(pair.label)
            labels.append(label)
            switch (kind, label) {
            case (_, 0): #expect(second[0] == first[first.count - 1] + 1)
            case (.sentenceOrder, _): #expect(second[0] < first[0] && Set(first + second).isSubset(of: Set(text)))
            case (.nextSentence, _): #expect(Set(text).isSuperset(of: first) && !text.contains(second[0]))
            }
        }
        #expect((70...130).contains(labels.reduce(0, +)))
        let short = try objective.pair(of: [30, 31, 32], &stream)
        #expect(short.label == nil && short.types == [0, 0, 0])
    }

    @Test func textsAreCutBehindSentences() throws {
        var objective = try objective(.sentenceOrder), stream = RandomStream(seed: 5)
        objective.sentenceEnds = [33]
        for _ in 0..<20 {
            let pair = try objective.pair(of: (0..<32).map { 20 + $0 }, &stream)
            let cut = try #require(pair.types.firstIndex(of: 1))
            if pair.label == 0 { #expect(pair.tokens[cut - 2] == 33 && pair.tokens[cut] == 34) }
        }
    }

    /// The losses of the parts of a step add up to the loss of the whole.
    @Test func partsMakeTheWhole() throws {
        let objective = try objective(.nextSentence), draw = RowDraw(seed: 4, step: 2)
        let whole = try objective.batch(of: rows(6), draw)
        var first = rows(2), second = rows(6)
        first.segments = [0, 1].map { TrainingBatch.Segment(row: $0, start: 0, end: 32) }
        second.segments = (2..<6).map { TrainingBatch.Segment(row: $0, start: 0, end: 32) }
        let parts = try [objective.batch(of: first, draw), objective.batch(of: second, draw)]
        #expect(parts.flatMap(\.masked.texts) == whole.masked.texts && parts.flatMap(\.labels) == whole.labels)
        let context = StepContext(weight: objective.weight(of: whole))
        let wanted: Double = try objective.loss(of: whole, context).value.detach().item()
        var sum = 0.0
        for var part in parts {
            part.placesPerPair = whole.placesPerPair
            sum += try objective.loss(of: part, context).value.detach().item()
        }
        #expect(abs(sum - wanted) < 1e-5 * wanted)
    }

    // MARK: - Losses

    private func numbers(_ json: JSON?) -> [[Int32]] {
        json?.array?.map { $0.array?.compactMap { $0.integer.map(Int32.init) } ?? [] } ?? []
    }

    private func masked(_ json: JSON?) -> [[Int: Int32]] {
        json?.array?.map { places in
            let pairs = places.array?.compactMap { pair -> (Int, Int32)? in
                guard let place = pair.array?[0].integer, let token = pair.array?[1].integer else { return nil }
                return (place, Int32(token))
            }
            return Dictionary(uniqueKeysWithValues: pairs ?? [])
        } ?? []
    }

    private func expectGradient(_ parameters: [Parameter], _ wanted: Double?) throws {
        let norm = try parameters.gradientNorm(), wanted = try #require(wanted)
        #expect(abs(norm - wanted) < 1e-4 * wanted, "\(norm) against \(wanted)")
    }

    @Test(arguments: ["bert-pretraining", "albert-pretraining"])
    func lossesOfPairsAreThoseOfTransformers(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path)
            #expect(try checkpoint.warnings() == [])
            let (model, parameters) = try checkpoint.trainableSentencePairModel()
            let masking = TokenMasking(mask: 2, vocabularySize: 64, special: [2])
            let objective = SentencePairs(model, masking, .sentenceOrder, separator: 1)
            var batch = SentencePairs.Batch()
            batch.masked = MaskedTokens.Batch(
                texts: numbers(golden.json["texts"]), masked: masked(golden.json["masked"]))
            batch.types = numbers(golden.json["types"])
            batch.labels = golden.json["classes"]?.array?.map { $0.integer.map(Int32.init) } ?? []
            batch.placesPerPair = 5.0 / 2
            let loss = try objective.loss(of: batch, StepContext(weight: objective.weight(of: batch))).value
            let wanted = try #require(golden.json["loss"]?.double)
            #expect(abs(try loss.detach().item(as: Double.self) - wanted) < 1e-5 * wanted)
            try loss.backward()
            try expectGradient(parameters, golden.gradientNorm)
        }
    }

    @Test func lossesOfReplacedTokensAreThoseOfTransformers() throws {
        let golden = try FamilyGolden("electra-pretraining"), small = try FamilyGolden("electra-generator")
        try golden.withFolder { path in
            try small.withFolder { other in
                let checkpoint = try Checkpoint(path: path), generator = try Checkpoint(path: other)
                #expect(try checkpoint.warnings() == [] && generator.warnings() == [])
                let (model, parameters) = try checkpoint.trainableReplacedTokenModel(generator: generator)
                let objective = ReplacedTokens(model, TokenMasking(mask: 2, vocabularySize: 64, special: [2]))
                var batch = ReplacedTokens.Batch()
                batch.masked = MaskedTokens.Batch(
                    texts: numbers(golden.json["texts"]), masked: masked(golden.json["masked"]))
                batch.draws = batch.masked.texts.map { _ in [:] }
                for draw in golden.json["draws"]?.array ?? [] {
                    let numbers = draw.array ?? []
                    guard let row = numbers[0].integer, let place = numbers[1].integer else { continue }
                    batch.draws[row][place] = numbers[2].double
                }
                batch.placesPerToken = 5.0 / 28
                // What is drawn, and what is said of it.
                let rows = batch.masked.masked.enumerated().flatMap { row, places in
                    places.keys.sorted().map { Int32(row * 14 + $0) }
                }
                let logits = try model.generator.logits(model.generator.encoder(batch.masked.texts), rows: rows)
                let (texts, isReplaced) = try objective.replaced(batch, logits.detach())
                #expect(texts == numbers(golden.json["replaced"]) && isReplaced.flatMap { $0 }.count { $0 } == 4)
                let scores = try model.replacedLogits(model.discriminator(texts)).detach().toArray(as: Double.self)
                let known = golden.json["scores"]?.array?.compactMap(\.double) ?? []
                let most = known.map(abs).max() ?? 0
                #expect(scores.count == 28 && zip(scores, known).allSatisfy { abs($0 - $1) < 1e-4 * most })
                let found = try objective.loss(of: batch, StepContext(weight: objective.weight(of: batch)))
                let wanted = try #require(golden.json["loss"]?.double)
                #expect(abs(try found.value.detach().item(as: Double.self) - wanted) < 1e-5 * wanted)
                let alone = try #require(golden.json["generator_loss"]?.double)
                let said = found.metrics.first { $0.name == "generator_loss" }?.value ?? 0
                #expect(abs(said - alone) < 1e-5 * alone)
                try found.value.backward()
                try expectGradient(parameters, golden.gradientNorm)
            }
        }
    }
}
