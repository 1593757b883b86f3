import Foundation
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// What encoders have beside their states: heads for masked tokens, what they are pre-trained with, and what is refused.
struct EncoderFamilyTests {
    @Test(arguments: FamilyGolden.names(.masked)) func maskedHeadsAreThoseOfTransformers(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let checkpoint = try Checkpoint(path: path), rows = golden.tokens.indices.map { Int32($0) }
            #expect(try checkpoint.warnings() == [])
            let plain = try checkpoint.maskedTokenModel()
            try plain.tree.prepare(.exact)
            let logits = try FamilyTests.floats(plain.logits(plain.encoder([golden.tokens]), rows: rows))
            #expect(FamilyTests.relativeError(logits, golden.expected) < 1e-4)
            let places = Dictionary(uniqueKeysWithValues: zip(golden.tokens.indices, golden.labels))
            let wanted = try #require(golden.loss), norm = try #require(golden.gradientNorm)
            for recomputes in [false, true] {
                let (model, parameters) = try checkpoint.trainableMaskedTokenModel()
                model.encoder.recomputesLayers = recomputes
                let loss = try model.loss([golden.tokens], masked: [places])
                #expect(abs(try loss.item() - wanted) < 1e-4 * wanted)
                try loss.backward()
                let found = try parameters.gradientNorm()
                #expect(abs(found - norm) < 1e-4 * norm, "\(found) against \(norm)")
            }
        }
    }

    /// Tokenizers number the texts of a pair whatever model they are beside.
    @Test func oneSegmentHoldsBothTextsOfAPair() throws {
        try FamilyGolden("roberta").withFolder { path in
            let encoder = try Checkpoint(path: path).encoder(), text: [Int32] = [5, 9, 31, 7]
            #expect(encoder.configuration.typeVocabularySize == 1)
            let numbered = try FamilyTests.floats(encoder([text], types: [[0, 0, 1, 1]]))
            #expect(try numbered == FamilyTests.floats(encoder([text])))
            #expect(throws: TensorError.self) { try encoder([text], types: [[0, 0, 1]]) }
        }
    }

    @Test func bucketsOfDistancesAreThoseOfTransformers() throws {
        let bytes = try Data(contentsOf: URL(filePath: "\(FamilyTests.goldens)/deberta_buckets.json"))
        let tables = try #require(try JSON(parsing: [UInt8](bytes)).object)
        #expect(tables.count == 3)
        for (name, rows) in tables {
            let sizes = name.split(separator: "/").compactMap { Int($0) }
            let spec = DisentangledSpec(span: sizes[0], farthest: sizes[1])
            let found = (-600...600).map { spec.row(of: $0) }
            #expect(found == rows.array?.compactMap(\.integer), "\(name)")
        }
    }

    /// What Jina's tasks add is left out, and said.
    @Test func taskAdaptersAreToldOf() throws {
        let module = "roberta.encoder.layers.0.mixer.out_proj.parametrizations.weight.0."
        let more = [(module + "lora_A", Float(0), [2, 4, 48]), (module + "lora_B", 0, [2, 48, 4])]
        try FamilyGolden("xlm-roberta-rotary").withFolder(more: more) { path in
            let warnings = try Checkpoint(path: path).warnings()
            #expect(warnings.count == 1)
            #expect(warnings.first?.contains("2 tensors of task adapters (retrieval.query, text-matching)") ?? false)
        }
    }

    @Test(
        arguments: [
            ("deberta-v2", "conv_kernel_size", .integer(2)), ("deberta-v2", "pos_att_type", .array(["c2c"])),
            ("deberta-v2", "norm_rel_ebd", "batch_norm"), ("deberta-v2", "relative_attention", false),
            ("deberta-v2", "embedding_size", 16), ("deberta-v2", "position_buckets", 200),
            ("deberta-v2", "pooler_hidden_act", "tanh"), ("deberta-v2", "attention_head_size", 4),
            ("new", "logn_attention_scale", true), ("new", "position_embedding_type", "absolute"),
            ("new", "layer_norm_type", "rms_norm"), ("new", "rope_scaling", ["type": "ntk", "factor": 0.5]),
            ("jina_bert", "feed_forward_type", "swiglu"), ("jina_bert", "alibi_scaling", 2),
            ("jina_bert", "auto_map", ["AutoModel": "jinaai/jina-bert-v2-qk-post-norm--modeling_bert.JinaBertModel"]),
        ] as [(String, String, JSON)])
    func whatIsNotComputedIsRefused(_ name: String, _ key: String, _ value: JSON) throws {
        try FamilyGolden(name).withFolder(change: { $0[key] = value }) { path in
            let error = #expect(throws: ModelError.self) { _ = try Checkpoint(path: path).encoder() }
            let said = "\(error.map { "\($0)" } ?? "")"
            #expect(
                said.contains(key == "relative_attention" ? "pos_att_type" : key == "rope_scaling" ? "factor" : key),
                "\(said)")
        }
    }

    /// Texts of different lengths reach different parts of the table, and gradients come back from all of them.
    @Test func lengthsDoNotChangeAText() throws {
        try FamilyGolden("deberta-v2").withFolder { path in
            let encoder = try Checkpoint(path: path).encoder()
            try encoder.prepare(.fast)
            let short: [Int32] = [5, 9, 31], long = (0..<Int32(40)).map { 3 + $0 * 7 % 60 }
            let alone = try FamilyTests.floats(encoder([short])), both = try FamilyTests.floats(encoder([long, short]))
            #expect(Array(both.suffix(alone.count)) == alone)
            #expect(throws: ModelError.self) { try encoder([Array(repeating: 5, count: 65)]) }
        }
    }

    /// ALBERT is trained with the parameters of its one layer.
    @Test func sharedLayersAreTrainedTogether() throws {
        try FamilyGolden("albert").withFolder { path in
            let (encoder, parameters) = try Checkpoint(path: path).trainableEncoder()
            #expect(parameters.count { $0.name.contains("layers.") } == 16)
            #expect(!parameters.contains { $0.name.contains("layers.1.") })
            try encoder([[5, 9, 31]]).square().sum().backward()
            let step = try #require(parameters.first { $0.name.contains("layers.0.mlp.up_proj.weight") })
            #expect(step.tensor.gradient != nil)
        }
    }
}
