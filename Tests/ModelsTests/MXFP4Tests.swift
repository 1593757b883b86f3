import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Experts in MXFP4 (Goldens/make_mxfp4.py) stand for the numbers that transformers makes of them.
struct MXFP4Tests {
    private func expert(
        _ index: Int, _ part: ExpertPart, shape: Shape, _ source: any TensorSource
    ) throws -> (any WeightMatrix)? {
        let configuration = ConfigurationReader(
            file: "config.json", json: ["quantization_config": ["quant_method": "mxfp4"]])
        let reader = try #require(try PackedFormats.reader(configuration))
        let stack = PackedModule(name: "mlp.experts.down_proj", shape: shape, source: source, file: "folder")
        return try reader.expert(index, part, of: stack)
    }

    @Test func blocksStandForTheirNumbers() throws {
        let file = try SafetensorsFile(path: FamilyTests.goldens + "/mxfp4.safetensors")
        let expected = try FamilyTests.floats(file.tensor("expected"))  // [experts, out, in]
        for index in 0..<2 {
            let whole = Array(expected[index * 512..<(index + 1) * 512])
            let all = try #require(try expert(index, ExpertPart(isTransposed: true), shape: [8, 64], file))
            #expect(all.storedType == "MXFP4")
            #expect(try FamilyTests.floats(all.float32Matrix()) == whole)
            let odd = try #require(
                try expert(index, ExpertPart(isTransposed: true, .everyOther(from: 1)), shape: [4, 64], file))
            let rows = stride(from: 1, to: 8, by: 2).flatMap { whole[$0 * 64..<($0 + 1) * 64] }
            #expect(try FamilyTests.floats(odd.float32Matrix()) == rows)
        }
    }

    @Test func stacksOfAnotherShapeAreRefusedByName() throws {
        let file = try SafetensorsFile(path: FamilyTests.goldens + "/mxfp4.safetensors")
        #expect { _ = try expert(0, ExpertPart(), shape: [8, 96], file) } throws: {
            "\($0)".contains("mlp.experts.down_proj_blocks")
        }
    }

    /// A whole GPT-OSS whose experts are in MXFP4: all tensors are read, and its logits are those of the same numbers.
    @Test func aModelOfMXFP4ComputesWhatItsNumbersSay() throws {
        let golden = try FamilyGolden("gpt_oss")
        let sizes: (inout JSONObject) -> Void = {
            ($0["hidden_size"], $0["intermediate_size"], $0["num_local_experts"]) = (64, 64, 2)
            ($0["head_dim"], $0["num_hidden_layers"], $0["layer_types"]) = (8, 1, ["full_attention"])
        }
        let file = try SafetensorsFile(path: FamilyTests.goldens + "/mxfp4.safetensors")
        // A stack of 64 rows out of the eight of the golden.
        func tiled(_ name: String, rows: Int) throws -> Tensor {
            let part = try file.tensor(name)
            return try Tensor.concatenate((0..<rows / 8).map { _ in part }, axis: 1)
        }
        var logits: [[Float]] = []
        for isPacked in [true, false] {
            let path = NSTemporaryDirectory() + "martlet-mxfp4-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: path) }
            var config = try #require(golden.config.object)
            sizes(&config)
            if isPacked { config["quantization_config"] = ["quant_method": "mxfp4"] }
            try Data(JSON.object(config).bytes()).write(to: URL(filePath: path + "/config.json"))
            func values(_ shape: Shape, _ seed: UInt64) throws -> Tensor {
                var random = RandomStream(seed: seed)
                return try Tensor.normal(shape, mean: 0, std: 0.3, using: &random)
            }
            let layer = "model.layers.0."
            var tensors: [(String, Tensor)] = [
                ("model.embed_tokens.weight", try values([64, 64], 1)), ("lm_head.weight", try values([64, 64], 2)),
                ("model.norm.weight", try Tensor.ones([64])), (layer + "input_layernorm.weight", try Tensor.ones([64])),
                (layer + "post_attention_layernorm.weight", try Tensor.ones([64])),
                (layer + "self_attn.sinks", try values([4], 3)),
                (layer + "mlp.router.weight", try values([2, 64], 4)), (layer + "mlp.router.bias", try values([2], 5)),
                (layer + "mlp.experts.gate_up_proj_bias", try values([2, 128], 6)),
                (layer + "mlp.experts.down_proj_bias", try values([2, 64], 7)),
            ]
            for (index, (name, width)) in [("q_proj", 32), ("k_proj", 16), ("v_proj", 16)].enumerated() {
                let seed = UInt64(10 + 2 * index)
                tensors.append((layer + "self_attn.\(name).weight", try values([width, 64], seed)))
                tensors.append((layer + "self_attn.\(name).bias", try values([width], seed + 1)))
            }
            tensors.append((layer + "self_attn.o_proj.weight", try values([64, 32], 20)))
            tensors.append((layer + "self_attn.o_proj.bias", try values([64], 21)))
            for (name, rows) in [("gate_up_proj", 128), ("down_proj", 64)] {
                let stack = layer + "mlp.experts." + name
                if isPacked {
                    for kind in ["_blocks", "_scales"] {
                        tensors.append((stack + kind, try tiled("mlp.experts.down_proj" + kind, rows: rows)))
                    }
                } else {
                    tensors.append((stack, try tiled("expected", rows: rows).transposed().contiguous()))
                }
            }
            try SafetensorsWriter.write(tensors, to: path + "/model.safetensors")
            let checkpoint = try Checkpoint(path: path)
            #expect(try checkpoint.warnings() == [])
            let decoder = try checkpoint.decoder()
            try decoder.prepare(.exact)
            logits.append(try FamilyTests.floats(decoder(golden.tokens)))
        }
        #expect(FamilyTests.relativeError(logits[0], logits[1]) < 1e-5)
    }
}
