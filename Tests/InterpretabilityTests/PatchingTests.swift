import MartletFormats
import MartletInference
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

import MartletInterpretability

/// Passes that are looked at and changed, to the bit.
struct PatchingTests {
    static func model(_ precision: Precision = .exact) throws -> LanguageModel {
        let folder = try Scratch()
        var tiny = TinyModel()
        tiny.seed = 3
        try tiny.write(folder: folder.path)
        return try LanguageModel(path: folder.path, precision: precision)
    }

    static let clean: [Int32] = [5, 17, 40, 33, 90, 21], corrupted: [Int32] = [5, 18, 41, 33, 91, 21]

    static func bits(_ pass: ProbedPass) throws -> [UInt32] {
        let values: [Float] = try pass.logits.toArray()
        return values.map(\.bitPattern)
    }

    private static func everything(_ probe: ModelProbe) -> Set<ActivationName> { Set(probe.names) }

    @Test(arguments: [Precision.exact, .fast]) func readingChangesNoBit(_ precision: Precision) throws {
        let probe = ModelProbe(try Self.model(precision))
        let cache = KVCache(probe.decoder.configuration, precision: precision)
        let plain = try probe.decoder.logits(
            probe.decoder.hiddenStates(Self.clean, [DecoderSequence(rows: 0..<Self.clean.count, cache: cache)]))
        let values: [Float] = try plain.toArray()
        let seen = try probe.run(Self.clean, keeping: Self.everything(probe))
        #expect(try Self.bits(seen) == values.map(\.bitPattern))
        #expect(seen.activations.count == 15 * probe.layerCount)
        // A pass that ends early has seen the same.
        let name = ActivationName(layer: 0, .residualAfter)
        let early: [Float]? = try probe.activations(Self.clean, keeping: [name])[name]?.toArray()
        #expect(try early == seen(name).toArray())
    }

    @Test(arguments: [Precision.exact, .fast]) func patchingEverythingIsTheCleanRun(_ precision: Precision) throws {
        let probe = ModelProbe(try Self.model(precision)), all = Self.everything(probe)
        let clean = try probe.run(Self.clean, keeping: all), corrupted = try probe.run(Self.corrupted, keeping: all)
        #expect(try Self.bits(clean) != Self.bits(corrupted))
        let every = try all.map { ActivationEdit.replace($0, with: try clean($0)) }
        #expect(try Self.bits(probe.run(Self.corrupted, keeping: [] as Set, editing: every)) == Self.bits(clean))
        // Nothing, and what was there anyhow.
        #expect(try Self.bits(probe.run(Self.corrupted, editing: [])) == Self.bits(corrupted))
        let own = try all.map { ActivationEdit.replace($0, with: try corrupted($0)) }
        #expect(try Self.bits(probe.run(Self.corrupted, keeping: [] as Set, editing: own)) == Self.bits(corrupted))
        // Every head, one by one.
        let heads = try (0..<probe.layerCount).flatMap { layer in
            let z = try corrupted(ActivationName(layer: layer, .heads))
            return (0..<probe.headCount).map {
                ActivationEdit.replaceHead(layer, $0, of: probe.headCount, with: z)
            }
        }
        #expect(try Self.bits(probe.run(Self.corrupted, keeping: [] as Set, editing: heads)) == Self.bits(corrupted))
    }

    @Test func patternsThatAreReplacedMoveTheValues() throws {
        let probe = ModelProbe(try Self.model())
        let name = ActivationName(layer: 1, .pattern), heads = ActivationName(layer: 1, .heads)
        let values = ActivationName(layer: 1, .values)
        // Every token looks at itself alone: the heads' outputs are its own values.
        let pass = try probe.run(
            Self.clean, keeping: [heads, values],
            editing: [
                ActivationEdit(name) { own in
                    let count = own.shape[1]
                    let eye = (0..<own.shape[0] * count * count).map { index -> Float in
                        index / count % count == index % count ? 1 : 0
                    }
                    return try Tensor(eye, shape: own.shape)
                }
            ])
        let mixed: [Float] = try pass(heads).toArray(), own: [Float] = try pass(values).toArray()
        let size = 8, groups = 2
        for row in Self.clean.indices {
            for head in 0..<4 {
                for index in 0..<size {
                    let expected = own[row * groups * size + head / 2 * size + index]
                    #expect(abs(mixed[row * 4 * size + head * size + index] - expected) < 1e-6)
                }
            }
        }
    }

    @Test func namesOfOtherProgramsAreAliases() throws {
        #expect(
            try ActivationName.names("blocks.3.hook_resid_post", layerCount: 4)
                == [ActivationName(layer: 3, .residualAfter)])
        #expect(try ActivationName.names("layers.*.attention.pattern", layerCount: 2).count == 2)
        #expect(throws: InterpretabilityError.unknownLayer("blocks.4.attn.hook_z", layerCount: 4)) {
            try ActivationName.names("blocks.4.attn.hook_z", layerCount: 4)
        }
        do {
            _ = try ActivationName.names("blocks.0.hook_resid_pots", layerCount: 4)
            Issue.record("there is no such name")
        } catch { #expect("\(error)".contains("hook_resid_post")) }
        let probe = ModelProbe(try Self.model())
        #expect(throws: InterpretabilityError.self) { try probe.run([]) }
        #expect(throws: InterpretabilityError.self) {
            try ActivationPatching(probe, clean: [1, 2], corrupted: [1], answer: 1, wrong: 2)
        }
    }

    @Test func patchingRestoresTheAnswerAtTheEnd() throws {
        let probe = ModelProbe(try Self.model())
        let patching = try ActivationPatching(
            probe, clean: Self.clean, corrupted: Self.corrupted, answer: 7, wrong: 9)
        // After the last layer only the last token counts, and it is all there is.
        let last = try #require(patching.residuals.last)
        #expect(abs(last[Self.clean.count - 1] - 1) < 1e-5)
        #expect(last.dropLast().allSatisfy { abs($0) < 1e-6 })
        #expect(patching.heads.count == 2 && patching.heads[0].count == 4)
    }

    @Test func activationsAreWrittenUnderTheirNames() throws {
        let probe = ModelProbe(try Self.model()), scratch = try Scratch()
        let pass = try probe.run(Self.clean, keeping: ["blocks.*.hook_resid_post"])
        try ActivationFile.write(pass, to: scratch.file("a.safetensors"), usesAliases: true)
        let file = try SafetensorsFile(path: scratch.file("a.safetensors"))
        let found: [Float] = try file.tensor("blocks.1.hook_resid_post").toArray()
        #expect(try found == pass(ActivationName(layer: 1, .residualAfter)).toArray())
        #expect(try file.tensor("tokens").toArray(as: Int32.self) == Self.clean)
    }
}
