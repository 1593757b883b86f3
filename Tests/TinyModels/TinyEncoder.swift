import MartletFormats
import MartletJSON
import MartletTensor

/// A random BERT of one layer with a WordPiece tokenizer of letters.
package enum TinyEncoder {
    private static let hidden = 32, feedForward = 48, context = 64

    private static var vocabulary: [String] {
        let letters = (UInt8(ascii: "a")...UInt8(ascii: "z")).map { String(UnicodeScalar($0)) }
        return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + letters + letters.map { "##" + $0 } + [".", ",", "!"]
    }

    /// Writes config.json, model.safetensors and vocab.txt.
    package static func write(folder: String) throws {
        let config: JSON = [
            "model_type": "bert", "vocab_size": .integer(Int64(vocabulary.count)),
            "hidden_size": .integer(Int64(hidden)), "num_hidden_layers": 1, "num_attention_heads": 4,
            "intermediate_size": .integer(Int64(feedForward)), "max_position_embeddings": .integer(Int64(context)),
            "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
        ]
        try AtomicFile.write(folder + "/config.json", bytes: config.bytes(indent: 2))
        try AtomicFile.write(folder + "/vocab.txt", bytes: Array((vocabulary.joined(separator: "\n") + "\n").utf8))
        try SafetensorsWriter.write(parameters, to: folder + "/model.safetensors")
    }

    private static var parameters: [(String, Tensor)] {
        var all: [(String, Tensor)] = []
        func random() -> RandomParameter { RandomParameter(seed: 2, index: all.count) }
        func matrix(_ name: String, _ rows: Int, _ columns: Int) {
            all.append((name + ".weight", random().matrix([rows, columns])))
        }
        func linear(_ name: String, _ from: Int, _ to: Int) {
            matrix(name, to, from)
            all.append((name + ".bias", random().filled([to]) { 0.1 * $0 }))
        }
        func norm(_ name: String) {
            all.append((name + ".weight", random().norm(hidden)))
            all.append((name + ".bias", random().filled([hidden]) { 0.1 * $0 }))
        }
        matrix("embeddings.word_embeddings", vocabulary.count, hidden)
        matrix("embeddings.position_embeddings", context, hidden)
        matrix("embeddings.token_type_embeddings", 2, hidden)
        norm("embeddings.LayerNorm")
        let layer = "encoder.layer.0."
        for part in ["self.query", "self.key", "self.value", "output.dense"] {
            linear(layer + "attention." + part, hidden, hidden)
        }
        norm(layer + "attention.output.LayerNorm")
        linear(layer + "intermediate.dense", hidden, feedForward)
        linear(layer + "output.dense", feedForward, hidden)
        norm(layer + "output.LayerNorm")
        return all
    }
}
