import MartletFormats
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// What is seen of a pass, against transformers' `output_attentions` and `output_hidden_states`.
struct ObservationTests {
    static let families = ["llama", "mistral", "qwen3", "gemma2", "gpt2"]

    private static func observed(
        _ family: String, _ precision: Precision = .exact, headsOff: Set<DecoderHead> = []
    ) throws -> (DecoderObservation, logits: [Float], decoder: Decoder, tokens: [Int32]) {
        let tokens = try FamilyTests.tokens(FamilyTests.expected(family))
        let decoder = try Checkpoint(path: "\(FamilyTests.goldens)/\(family)").decoder()
        try decoder.prepare(precision)
        let observation = DecoderObservation(headsOff: headsOff)
        let hidden = try decoder.hiddenStates(tokens, observing: observation, precision: precision)
        return (observation, try FamilyTests.floats(decoder.logits(hidden)), decoder, tokens)
    }

    private static func golden(_ family: String, _ name: String) throws -> Tensor {
        try SafetensorsFile(path: "\(FamilyTests.goldens)/\(family)/inspection.safetensors").tensor(name)
    }

    @Test(arguments: families) func attentionIsThatOfTransformers(_ family: String) throws {
        let seen = try Self.observed(family).0.attention.flatMap { $0 }
        let expected = try FamilyTests.floats(Self.golden(family, "attention"))
        #expect(seen.count == expected.count)
        #expect(FamilyTests.relativeError(seen, expected) < 1e-5)
        // Masked and windowed positions are exactly nothing in both.
        #expect(zip(seen, expected).allSatisfy { ($0 == 0) == ($1 == 0) })
    }

    @Test(arguments: families) func residualsAreTheHiddenStatesOfTransformers(_ family: String) throws {
        let (observation, _, decoder, _) = try Self.observed(family)
        #expect(observation.residuals.count == decoder.configuration.layerCount + 1)
        let expected = try FamilyTests.floats(Self.golden(family, "residuals"))
        let seen = observation.residuals.dropLast().flatMap(FamilyTests.floats)
        #expect(FamilyTests.relativeError(seen, expected) < 1e-5)
    }

    @Test(arguments: families) func aHeadSwitchedOffIsItsProjectionZeroed(_ family: String) throws {
        let (_, logits, _, _) = try Self.observed(family, headsOff: [DecoderHead(layer: 0, head: 1)])
        let expected = try FamilyTests.floats(Self.golden(family, "logits_without"))
        #expect(FamilyTests.relativeError(logits, expected) < 1e-4)
    }

    @Test(arguments: families, [Precision.exact, .exactSums, .fast])
    func observingChangesNoBit(_ family: String, _ precision: Precision) throws {
        let (observation, logits, decoder, tokens) = try Self.observed(family, precision)
        let cache = KVCache(decoder.configuration, precision: precision)
        let unseen = try decoder.logits(
            decoder.hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: cache)]))
        #expect(FamilyTests.floats(unseen) == logits)
        // The lens over the last layer is the model.
        let last = try #require(observation.residuals.last)
        #expect(try FamilyTests.floats(decoder.logits(ofResidual: last)) == logits)
    }
}
