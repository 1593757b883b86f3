import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor
import Synchronization

extension Family {
    /// Baichuan 1 and 2 (Yang et al. 2023): Llamas whose queries, keys and values are one matrix, `W_pack`. The models of 7B
    /// rotate; those of 13B have linear biases instead, which their files tell by having no `max_position_embeddings`.
    /// Baichuan 2 normalises the rows of its output projection (`NormHead`), which the files tell by `z_loss_weight` or by
    /// its vocabulary.
    static let baichuan = Family(
        "baichuan",
        gguf: GGUFForm("baichuan", rotatesPairs: true) { reading in
            reading.config["martlet_rope_layout"] = "interleaved"
            try reading.takeRotation()
            let bias = try reading.keys.value("attention.max_alibi_bias")?.double ?? 0
            // llama.cpp tells the models apart by their layers.
            if bias > 0 || reading.config["num_hidden_layers"]?.integer == 40 {
                reading.config["model_max_length"] = reading.config["max_position_embeddings"]
                reading.config["max_position_embeddings"] = nil
            }
        } write: { (writing) throws in
            // By their number llama.cpp tells models that rotate from those with linear biases.
            let isLinear = writing.spec.attention.linearBias != nil, layers = writing.spec.layerCount
            guard layers == (isLinear ? 40 : 32) else {
                let usual = isLinear ? "40 with linear biases" : "32 that rotate"
                throw writing.refusal("there are \(layers) layers, not \(usual)")
            }
            if isLinear { writing.put("attention.max_alibi_bias", .float32(8)) }
        }, published: Published(modelType: "baichuan", architecture: "BaichuanForCausalLM"),
        naming: .modules(joined: { JoinedModule.queriesKeysValues("self_attn.W_pack", $0.attention) }),
        defaults: [
            "vocab_size": 125_696, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "rms_norm_eps": 1e-6, "model_max_length": 4096,
        ], neutral: ["z_loss_weight", "user_token_id", "assistant_token_id"]
    ) { (spec, config) throws(ModelError) in
        let isLinear = config.json["max_position_embeddings"]?.integer == nil
        let longest = try config.integer("model_max_length", in: 1...(1 << 30), default: 4096)
        if isLinear {
            spec.contextLength = longest
            try spec.eachLayer {
                $0.attention.rotary = nil
                $0.attention.linearBias = LinearBias()
            }
        }
        spec.normalizesHead = config.says("z_loss_weight") || spec.vocabularySize == 125_696
        guard !spec.normalizesHead || !spec.tiedEmbeddings else {
            throw .wrongValue(
                file: config.file, key: "tie_word_embeddings", found: "true",
                expected: "false: the output projection is normalised, and the table is not")
        }
    }
}

/// The rows of an output projection at length one (Baichuan 2's NormHead):
///
///     logits = h Wᵀ / ‖W‖,   ‖W‖ of each row
///
/// The lengths are kept while nothing is trained, so that a matrix stays as it is stored.
final class HeadNorm {
    private let kept = Mutex<Tensor?>(nil)
    /// Those of the sum with adapters, and what they are of.
    private let adapted = Mutex<(of: [AdapterStamp], factors: Tensor)?>(nil)

    /// What an adapter adds is known by.
    private struct AdapterStamp: Equatable, Sendable {
        let scale: Float
        let parameters: [TensorStamp]
    }

    func release() {
        kept.withLock { $0 = nil }
        adapted.withLock { $0 = nil }
    }

    /// 1 / ‖w‖ of each row: `[vocabulary]`.
    func factors(of head: Linear) throws -> Tensor {
        // With adapters it is their sum whose rows have length one, as losses take it.
        let adapters = head.adapters.filter(\.isEnabled)
        if !adapters.isEmpty { return try factors(of: head, adapters) }
        let matrix = head.matrix
        // What is trained changes from step to step.
        if let weight = matrix as? Tensor, weight.requiresGrad { return try Self.factors(of: weight) }
        if let kept = kept.withLock({ $0 }) { return kept }
        let result: Tensor
        if let weight = matrix as? Tensor, weight.dtype == .float32 || weight.dtype == .float64 {
            result = try noGrad { try Self.factors(of: weight) }
        } else {
            // A few rows at a time.
            let rows = matrix.shape[0]
            result = try noGrad {
                try Tensor.concatenate(
                    stride(from: 0, to: rows, by: 1024).map {
                        try Self.factors(of: matrix.float32Rows($0..<min($0 + 1024, rows)))
                    })
            }
        }
        kept.withLock { $0 = result }
        return result
    }

    /// The same of the matrix with its adapters in it.
    private func factors(of head: Linear, _ adapters: [any LinearAdapter]) throws -> Tensor {
        func merged() throws -> Tensor {
            let sum = try head.adaptedMatrix()
            return try Self.factors(of: sum as? Tensor ?? sum.float32Matrix())
        }
        let tensors = adapters.map { $0.parameters.map(\.tensor) }
        let isTrained = (head.matrix as? Tensor)?.requiresGrad ?? head.matrix.isTrained
        // What an adapter without parameters of its own adds is another's to change.
        guard !isTrained, tensors.allSatisfy({ !$0.isEmpty && !$0.contains(where: \.requiresGrad) }) else {
            return try merged()
        }
        let own = (head.matrix as? Tensor).map { [AdapterStamp(scale: 1, parameters: [TensorStamp($0)])] } ?? []
        let stamps =
            own
            + zip(adapters, tensors).map { AdapterStamp(scale: $0.scale, parameters: $1.map { TensorStamp($0) }) }
        if let adapted = adapted.withLock({ $0 }), adapted.of == stamps { return adapted.factors }
        let result = try noGrad { try merged() }
        adapted.withLock { $0 = (stamps, result) }
        return result
    }

    private static func factors(of weight: Tensor) throws -> Tensor {
        try weight.square().sum(1).sqrt().maximum(1e-12).reciprocal()  // [rows]
    }

    /// The matrix with its rows at length one, `[vocabulary, hidden]`.
    static func normalized(_ matrix: any WeightMatrix) throws -> Tensor {
        let weight = try matrix as? Tensor ?? matrix.float32Matrix()
        return try weight * factors(of: weight).reshape(-1, 1)
    }
}
