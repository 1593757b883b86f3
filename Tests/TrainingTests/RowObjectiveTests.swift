import MartletData
import MartletFormats
import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers
import MartletTraining
import Testing
import TinyModels

/// What objectives make of rows of tokens, and their losses against plain formulas and transformers.
struct RowObjectiveTests {
    /// Rows of tokens 10, 11, 12, … with the target behind the last.
    private func rows(_ count: Int, length: Int) -> TrainingBatch {
        var batch = TrainingBatch(rows: count, length: length)
        batch.segments = (0..<count).map { TrainingBatch.Segment(row: $0, start: 0, end: length) }
        for place in batch.inputs.indices {
            batch.inputs[place] = Int32(10 + place % length)
            batch.targets[place] = Int32(11 + place % length)
            batch.positions[place] = Int32(place % length)
        }
        return batch
    }

    private func decoder(vocabulary: Int = 80) throws -> Decoder {
        var shape = ModelShape()
        shape.family = "llama"
        (shape.vocabularySize, shape.contextLength, shape.layers, shape.hiddenSize) = (vocabulary, 64, 2, 32)
        (shape.heads, shape.keyValueHeads, shape.intermediateSize) = (4, 4, 48)
        return Decoder(Initializer(.normal(deviation: 0.3, layers: 2), seed: 3), try shape.decoderConfiguration())
    }

    // MARK: - Fill in the middle

    @Test func middlesAreMovedBehindTheirMarkers() throws {
        var objective = FillInTheMiddle(NextToken(try decoder()), MiddleMarkers(prefix: 1, suffix: 2, middle: 3))
        (objective.rate, objective.suffixFirst) = (0.7, 0.4)
        let text = rows(600, length: 40), draw = RowDraw(seed: 4, step: 2)
        let found = try objective.batch(of: text, draw)
        var cut = 0, suffixFirst = 0
        for row in 0..<600 {
            let inputs = Array(found.inputs[row * 40..<(row + 1) * 40])
            let all = inputs + [found.targets[row * 40 + 39]]
            #expect(Array(found.targets[row * 40..<row * 40 + 39]) == Array(inputs[1...]))
            let whole: [Int32] = (10...50).map { Int32($0) }
            guard all != whole else { continue }
            cut += 1
            #expect(all.count == 41 && all[0] == 1)
            let suffixPlace = try #require(all.firstIndex(of: 2)), middlePlace = try #require(all.firstIndex(of: 3))
            let isSuffixFirst = suffixPlace == 1
            let suffix = all[(suffixPlace + 1)..<middlePlace], rest = Array(all[(middlePlace + 1)...])
            // Put together again it is the text, but for the three tokens that made room.
            var joined: [Int32] = isSuffixFirst ? [] : Array(all[1..<suffixPlace])
            joined += rest
            joined += suffix
            #expect(joined == Array(whole.prefix(38)))
            // An empty prefix has the form of both.
            if isSuffixFirst { suffixFirst += 1 }
        }
        // 0.7 of 600, but for texts whose suffix is shorter than three tokens (about 1 − (39/42)² of them).
        #expect((320...410).contains(cut), "\(cut)")
        #expect((0.32...0.52).contains(Double(suffixFirst) / Double(cut)), "\(suffixFirst) of \(cut)")
        // However the step is cut, and again.
        let parts = try [
            objective.batch(of: rows(200, length: 40), draw),
            objective.batch(of: rows(400, length: 40), RowDraw(seed: 4, step: 2, firstRow: 200)),
        ]
        #expect(parts.flatMap(\.inputs) == found.inputs)
        #expect(try objective.batch(of: text, RowDraw(seed: 4, step: 3)).inputs != found.inputs)
    }

    @Test func tokenizersWithoutMarkersAreRefused() throws {
        let bare = try ByteTokenizer.make(special: ["<|endoftext|>"], end: "<|endoftext|>")
        #expect(throws: TrainingError.self) { try MiddleMarkers(bare) }
        #expect(throws: TrainingError.self) { try TokenMasking(bare, wholeWords: false) }
        let names = ["<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
        let full = try ByteTokenizer.make(special: names, end: "<|endoftext|>")
        #expect(try MiddleMarkers(full) == MiddleMarkers(prefix: 257, suffix: 259, middle: 258))
    }

    // MARK: - Prefix language model

    @Test func thePrefixSeesItselfAndOnlyTheRestIsLearnt() throws {
        let model = try decoder(), objective = PrefixLanguageModel(NextToken(model))
        let text = rows(40, length: 12), batch = try objective.batch(of: text, RowDraw(seed: 1, step: 0))
        #expect(Set(batch.prefixes).count > 6 && batch.prefixes.allSatisfy { (0...12).contains($0) })
        var total = 0.0
        for (row, prefix) in batch.prefixes.enumerated() {
            let targets = Array(batch.rows.targets[row * 12..<(row + 1) * 12])
            let ignored = max(0, prefix - 1)
            let learnt = (ignored..<12).map { Int32(11 + $0) }
            #expect(targets == [Int32](repeating: -100, count: ignored) + learnt)
            let inputs = Array(text.inputs[row * 12..<(row + 1) * 12])
            let pass = Pass(.whole([0..<12]), masks: [prefix > 1 ? .prefix(prefix) : nil])
            let logits = try model.logits(model.hiddenStates(inputs, pass))
            total += try Loss.crossEntropy(logits, targets: targets, reduction: .sum).item(as: Double.self)
        }
        let weight = objective.weight(of: batch)
        let found = try objective.loss(of: batch, StepContext(weight: weight)).value.item(as: Double.self)
        #expect(abs(found - total / weight) < 1e-4 * found)
        // A token of the prefix sees a later one of it: another last token changes the first state.
        func first(_ last: Int32, _ mask: SequenceMask?) throws -> [Float] {
            let states = try model.hiddenStates([10, 11, last, 13], Pass(.whole([0..<4]), masks: [mask]))
            return Array(try states.toArray(as: Float.self).prefix(32))
        }
        let (one, other) = try (first(12, .prefix(3)), first(20, .prefix(3)))
        #expect(one != other)
        let (plain, same) = try (first(12, nil), first(20, nil))
        #expect(plain == same)
    }

    /// Replies are learnt behind their whole prompt.
    @Test func whatIsNotTrainedIsThePrefix() throws {
        let objective = PrefixLanguageModel(NextToken(try decoder()))
        var text = rows(1, length: 8)
        for place in 0..<4 { text.targets[place] = TrainingBatch.ignoredTarget }
        let batch = try objective.batch(of: text, RowDraw(seed: 1, step: 0))
        #expect(batch.prefixes == [5] && batch.rows == text)
    }

    // MARK: - Masked tokens

    @Test func masksAreAsOftenAsThePaperSays() throws {
        let masking = TokenMasking(mask: 3, vocabularySize: 1000, special: [0, 1, 2, 3])
        var stream = RandomStream(seed: 1), chosen = 0, masked = 0, kept = 0, random = 0
        var text: [Int32] = [1]
        for token in 0..<Int32(4998) { text.append(4 + token % 996) }
        text.append(2)
        for _ in 0..<4 {
            let (found, targets) = masking.masked(text, &stream)
            for (place, token) in targets {
                #expect(text[place] == token && token > 3)
                chosen += 1
                if found[place] == 3 { masked += 1 } else if found[place] == token { kept += 1 } else { random += 1 }
                #expect(found[place] >= 3)
            }
            for place in text.indices where targets[place] == nil { #expect(found[place] == text[place]) }
        }
        let count = Double(chosen)
        #expect(abs(count / 20_000 - 0.15) < 0.01)
        #expect(abs(Double(masked) / count - 0.8) < 0.03)
        #expect(abs(Double(random) / count - 0.1) < 0.02 && abs(Double(kept) / count - 0.1) < 0.02)
    }

    @Test func wholeWordsAreMaskedTogether() throws {
        var masking = TokenMasking(mask: 3, vocabularySize: 40, special: [0, 1, 2, 3])
        // Tokens from 20 on go on a word.
        masking.continues = (0..<40).map { $0 >= 20 }
        var text: [Int32] = [1]
        for word in 0..<Int32(60) { text += [4 + word % 16, 20, 21] }
        text.append(2)
        var stream = RandomStream(seed: 7)
        for _ in 0..<20 {
            let (_, targets) = masking.masked(text, &stream)
            // 15 % of 182 are 27, nine words.
            #expect(targets.count == 27)
            for place in targets.keys {
                let first = 1 + (place - 1) / 3 * 3
                #expect((first..<first + 3).allSatisfy { targets[$0] != nil })
            }
        }
    }

    @Test func wordsAreKnownByTheirVocabulary() throws {
        let names = ["<|endoftext|>", "[MASK]"]
        let bytes = try TokenMasking(ByteTokenizer.make(special: names, end: names[0]), wholeWords: true)
        let continues = try #require(bytes.continues)
        #expect(continues[Int(UInt8(ascii: "a"))] && !continues[32] && !continues[Int(UInt8(ascii: "."))])
        #expect(bytes.mask == 257)
    }

    /// The loss of BERT's golden, whose masks are given.
    @Test func theMaskedLossIsThatOfTransformers() throws {
        let folder = FamilyGolden.folder.replacing("/families", with: "/bert-masked")
        let expected: Float = try SafetensorsFile(path: folder + "/expected.safetensors").tensor("loss").item()
        let (model, _) = try Checkpoint(path: folder).trainableMaskedTokenModel()
        let objective = MaskedTokens(model, TokenMasking(mask: 90, vocabularySize: 96, special: [90]))
        let batch = MaskedTokens.Batch(
            texts: [[5, 9, 90, 31, 7, 90, 12], [20, 90, 4]], masked: [[2: 41, 5: 8], [1: 66]])
        #expect(objective.weight(of: batch) == 3)
        let loss = try objective.loss(of: batch, StepContext(weight: 3))
        let found = try loss.value.item(as: Float.self)
        #expect(abs(found - expected) < 1e-4)
    }

    // MARK: - Spans

    @Test(arguments: [2, 3, 10, 64, 300, 513]) func spansAreAsManyAsInT5(_ length: Int) throws {
        let model = EncoderDecoder(Initializer(.xavierUniform, seed: 1), pairs())
        var objective = SpanCorruption(SourceTargets(model, start: 0), sentinels: (0..<40).map { 1000 + $0 }, end: 1)
        objective.rate = 0.15
        let text = (0..<Int32(length)).map { 2 + $0 }
        var stream = RandomStream(seed: 5), shapes: Set<[Int32]> = []
        for _ in 0..<20 {
            let pair = try #require(objective.pair(of: text, &stream))
            let taken = min(max(Int((Double(length) * 0.15).rounded(.toNearestOrEven)), 1), length - 1)
            let spans = min(max(Int((Double(taken) / 3).rounded(.toNearestOrEven)), 1), taken, length - taken)
            #expect(pair.source.count { $0 >= 1000 } == spans && pair.target.count { $0 >= 1000 } == spans)
            #expect(pair.target.count == taken + spans + 1 && pair.source.count == length - taken + spans + 1)
            #expect(pair.source.first == 2 && pair.source.last == 1 && pair.target.last == 1)
            #expect(pair.target.first == 1000)
            // Each span put back in its sentinel's place.
            var spansBySentinel: [Int32: [Int32]] = [:], sentinel: Int32 = 0
            for token in pair.target.dropLast() {
                if token >= 1000 { sentinel = token } else { spansBySentinel[sentinel, default: []].append(token) }
            }
            #expect(spansBySentinel.values.allSatisfy { !$0.isEmpty })
            var joined: [Int32] = []
            for token in pair.source.dropLast() { joined += token >= 1000 ? spansBySentinel[token] ?? [] : [token] }
            #expect(joined == text)
            shapes.insert(pair.source)
        }
        if length >= 64 { #expect(shapes.count > 15) }
    }

    // MARK: - Pairs

    private func pairs() -> EncoderDecoderConfiguration {
        EncoderDecoderConfiguration(
            vocabularySize: 64, hiddenSize: 16, contextLength: 64, layerCount: 1, heads: 2, feedForwardSize: 24)
    }

    @Test func pairsAreCutWhereLearningBegins() throws {
        let model = EncoderDecoder(Initializer(.xavierUniform, seed: 1), pairs())
        let objective = SequenceToSequence(SourceTargets(model, start: 0), end: 1)
        var text = rows(1, length: 12)
        text.segments = [
            .init(row: 0, start: 0, end: 6), .init(row: 0, start: 6, end: 10),
            .init(row: 0, start: 10, end: 12, isPadding: true),
        ]
        // 10 11 12 | 13 14 15 16; the second text has no prompt.
        for place in 0..<2 { text.targets[place] = TrainingBatch.ignoredTarget }
        let batch = try objective.batch(of: text, RowDraw(seed: 1, step: 0))
        #expect(batch.sources == [[10, 11, 12, 1]] && batch.targets == [[13, 14, 15, 16, 1]])
        // A prompt of one token: every target is learnt, and yet the first token is not.
        text.segments[1].beginsWithPrompt = true
        let both = try objective.batch(of: text, RowDraw(seed: 1, step: 0))
        #expect(both.sources == [[10, 11, 12, 1], [16, 1]] && both.targets[1] == [17, 18, 19, 20, 1])
    }

    /// (1 − ε) · nll + ε · mean over the vocabulary of −log p, as transformers' LabelSmoother; and of T5's golden the loss.
    @Test func theLossOfTargetsIsThatOfTransformers() throws {
        let golden = try FamilyGolden("t5"), wanted = try #require(golden.loss)
        try golden.withFolder { path in
            let (model, _) = try Checkpoint(path: path).trainableEncoderDecoder()
            let start = try #require(golden.tokens.first)
            var objective = SourceTargets(model, start: start), batch = SourceTargets.Batch()
            batch.add(source: golden.source, target: golden.labels)
            let weight = objective.weight(of: batch), context = StepContext(weight: weight)
            #expect(weight == Double(golden.labels.count))
            let plain = try objective.loss(of: batch, context).value.item(as: Float.self)
            #expect(abs(plain - wanted) < 1e-4 * wanted)
            objective.smoothing = 0.1
            let smooth = try objective.loss(of: batch, context).value.item(as: Double.self)
            let logits = try model.logits(model(sources: [golden.source], targets: [golden.tokens])).logSoftmax(axis: 1)
            let all = try logits.mean(axes: [1]).sum().item(as: Double.self)
            #expect(abs(smooth - (0.9 * Double(wanted) - 0.1 * all / weight)) < 1e-4 * smooth)
        }
    }
}
