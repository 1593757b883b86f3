import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletTensor
import Testing

/// What a model does, from its configuration and its tensors; and what one of another kind says.
struct ModelKindTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let config: JSON
        var tensors: [String: Shape] = [:]
        let kind: ModelKind
        var testDescription: String { config.text() }
    }

    static let cases: [Case] = [
        Case(config: ["model_type": "llama", "architectures": ["LlamaForCausalLM"]], kind: .generates),
        Case(config: ["model_type": "qwen3", "architectures": ["Qwen3Model"]], kind: .embeds),
        Case(
            config: ["model_type": "qwen3", "architectures": ["Qwen3Model"]], tensors: ["lm_head.weight": [4, 2]],
            kind: .generates),
        Case(config: ["model_type": "bert", "architectures": ["BertModel"]], kind: .embeds),
        Case(
            config: ["model_type": "bert", "architectures": ["BertForSequenceClassification"]],
            tensors: ["classifier.weight": [1, 8]], kind: .scores),
        Case(
            config: ["model_type": "bert", "architectures": ["BertForSequenceClassification"]],
            tensors: ["classifier.weight": [3, 8]], kind: .classifies),
        Case(
            config: [
                "model_type": "roberta", "architectures": ["RobertaForSequenceClassification"],
                "id2label": ["0": "no", "1": "yes"],
            ], kind: .classifies),
        Case(
            config: [
                "model_type": "qwen3", "architectures": ["Qwen3ForSequenceClassification"], "id2label": ["0": "good"],
            ], tensors: ["score.weight": [1, 8]], kind: .scores),
        Case(config: ["model_type": "llama", "architectures": ["LlamaForTokenClassification"]], kind: .classifies),
        Case(
            config: [
                "model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": true,
            ], kind: .translates),
        Case(
            config: ["model_type": "bart", "architectures": ["BartForSequenceClassification"]],
            tensors: ["classification_head.out_proj.weight": [3, 8]], kind: .classifies),
        Case(
            config: ["model_type": "bart", "architectures": ["BartForSequenceClassification"], "num_labels": 1],
            kind: .scores),
    ]

    private func checkpoint(_ test: Case) throws -> (Checkpoint, path: String) {
        let path = NSTemporaryDirectory() + "martlet-kind-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Data(test.config.bytes()).write(to: URL(filePath: path + "/config.json"))
        let tensors = try test.tensors.map { ($0.key, try Tensor.zeros($0.value)) } + [("x", try Tensor.zeros([1]))]
        try SafetensorsWriter.write(tensors, to: path + "/model.safetensors")
        return (try Checkpoint(path: path), path)
    }

    @Test(arguments: cases) func theFilesSayWhatItDoes(_ test: Case) throws {
        let (checkpoint, path) = try checkpoint(test)
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(checkpoint.kind == test.kind)
        try checkpoint.demand(test.kind)
        for other in ModelKind.allCases where other != test.kind {
            // What it is, what that is used with, and what was wanted.
            #expect {
                try checkpoint.demand(other)
            } throws: { error in
                ["\(path) is \(test.kind.name)", test.kind.uses, "not \(other.name)"].allSatisfy("\(error)".contains)
            }
        }
    }

    @Test func aClassifierSaysWhatToUse() throws {
        let (checkpoint, path) = try checkpoint(Self.cases[5])
        defer { try? FileManager.default.removeItem(atPath: path) }
        for open in [{ _ = try checkpoint.decoder() }, { _ = try checkpoint.embeddingModel() }] {
            #expect {
                try open()
            } throws: {
                "\($0)".contains("a classifier of texts (martlet classify")
            }
        }
    }
}
