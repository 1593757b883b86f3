import MartletInference
import MartletModels
import MartletTensor
import Testing
import TinyModels

struct InspectionTests {
    let model: LanguageModel
    let tokens: [Int32]

    init() throws {
        model = try .tiny()
        tokens = try model.tokenizer.encode("the ring of the inn")
    }

    @Test func shapesAreThoseOfTheModel() throws {
        let seen = try model.inspect(tokens, lensTokens: 3)
        let count = tokens.count
        #expect(seen.attention.map(\.count) == [4 * count * count, 4 * count * count])
        #expect(seen.lens.count == 3 && seen.lens.allSatisfy { $0.count == count && $0.allSatisfy { $0.count == 3 } })
        #expect(seen.residualNorms.count == 3 && seen.residualNorms.allSatisfy { $0.count == count })
        #expect(seen.logits.count == model.configuration.vocabularySize)
    }

    @Test func attentionOfEveryQuerySumsToOneAndSeesNoFuture() throws {
        let seen = try model.inspect(tokens)
        let count = tokens.count
        for layer in seen.attention {
            for row in 0..<(4 * count) {
                let weights = layer[(row * count)..<((row + 1) * count)]
                #expect(abs(weights.reduce(0, +) - 1) < 1e-5)
                #expect(weights.dropFirst(row % count + 1).allSatisfy { $0 == 0 })
            }
        }
    }

    @Test func theLastLensIsThePredictionAndWhatIsGenerated() async throws {
        let seen = try model.inspect(tokens)
        let best = try #require(seen.top(1).first)
        #expect(seen.lens.last?.last?.first?.token == best.token)
        let prompt = tokens
        let said = try await Said(model.generate(.greedy(1)) { prompt })
        #expect(said.tokens == [best.token])
    }

    @Test func expertsAreToldWithTheirTokens() throws {
        #expect(try model.inspect(tokens).experts.isEmpty)
        let mixture = try LanguageModel.tiny { $0.experts = 5 }
        let seen = try mixture.inspect(tokens)
        #expect(seen.experts.map(\.layer) == [0, 1])
        for layer in seen.experts {
            #expect(layer.tokensOfExpert.count == 5)
            // Two experts of every token, in ascending order.
            let all = layer.tokensOfExpert.joined()
            #expect(tokens.indices.allSatisfy { place in all.count { Int($0) == place } == 2 })
            #expect(layer.tokensOfExpert.allSatisfy { $0 == $0.sorted() })
        }
        // A token's experts do not depend on those after it, and looking changes no bit.
        let shorter = try mixture.inspect(Array(tokens.dropLast())), last = Int32(tokens.count - 1)
        #expect(
            seen.experts.map { $0.tokensOfExpert.map { $0.filter { $0 != last } } }
                == shorter.experts.map(\.tokensOfExpert))
    }

    @Test func lensProbabilitiesFall() throws {
        for position in try model.inspect(tokens, lensTokens: 20).lens.joined() {
            let probabilities = position.map(\.probability)
            #expect(probabilities == probabilities.sorted(by: >))
            #expect(probabilities.reduce(0, +) <= 1.00001 && probabilities.allSatisfy { $0 > 0 })
        }
    }

    @Test func aHeadOffChangesWhatComesAfterItsLayerOnly() throws {
        let seen = try model.inspect(tokens)
        let without = try model.inspect(tokens, headsOff: [DecoderHead(layer: 1, head: 2)])
        #expect(without.attention == seen.attention)
        #expect(without.residualNorms[..<2] == seen.residualNorms[..<2])
        #expect(without.residualNorms[2] != seen.residualNorms[2])
        #expect(without.logits != seen.logits)
        // And nothing stays off.
        #expect(try model.inspect(tokens).logits == seen.logits)
    }

    @Test func topIsASortOfTheLogits() throws {
        let seen = try model.inspect(tokens)
        let sorted = seen.logits.indices.sorted {
            seen.logits[$0] != seen.logits[$1] ? seen.logits[$0] > seen.logits[$1] : $0 < $1
        }
        #expect(seen.top(10).map { Int($0.token) } == Array(sorted.prefix(10)))
        #expect(seen.top(1000).count == seen.logits.count)
    }

    @Test func refusesWhatItCannotLookInto() throws {
        let tokens = tokens
        #expect(throws: OptionError.self) { try model.inspect([]) }
        #expect(throws: OptionError.self) { try model.inspect([Int32](repeating: 5, count: 257)) }
        #expect(throws: OptionError.self) { try model.inspect(tokens, lensTokens: 0) }
        #expect(throws: OptionError.self) { try model.inspect(tokens, headsOff: [DecoderHead(layer: 2, head: 0)]) }
        #expect(throws: OptionError.self) { try model.inspect(tokens, headsOff: [DecoderHead(layer: 0, head: -1)]) }
        #expect(throws: ModelError.tokenOutOfRange(token: 4000, vocabularySize: 128)) { try model.inspect([4000]) }
    }
}
