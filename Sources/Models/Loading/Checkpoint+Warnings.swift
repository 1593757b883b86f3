import MartletFormats
import MartletNN
import MartletTensor

extension Checkpoint {
    /// What is ignored in the files and may matter, one sentence each: keys that no family reads, tensors that no
    /// parameter uses, parts that are left out. Reads no weights.
    /// - Throws: what opening the model would throw for its configuration.
    public func warnings() throws -> [String] {
        var warnings = unknownKeys.map { unreadKey($0.key, $0.value) }
        let names = NamesOfParameters()
        var layerCount = Int.max, storedLayers: [Int]?, sharing: [Int] = []
        if hasEncoder {
            let reading = try Family.readEncoder(configuration)
            warnings += reading.unknown.map { unreadKey($0.key, $0.value.text()) }
            names.places = encoderPlaces
            _ = Encoder(names, reading.configuration)
        } else if kind == .translates || hasEncoderDecoder {
            let reading = try encoderDecoderReading()
            warnings += reading.unknown.map { unreadKey($0.key, $0.value.text()) }
            names.places = places(reading)
            _ = EncoderDecoder(names, reading.configuration)
        } else {
            let reading = try decoderReading()
            warnings += reading.warnings
            names.places = places(reading)
            layerCount = reading.configuration.storedLayers == nil ? reading.configuration.layerCount : .max
            storedLayers = reading.configuration.storedLayers
            let layers = reading.configuration.layers
            sharing = layers.indices.filter { layers[$0].attention.sharesKeysOf != nil }
            _ = Decoder(names, reading.configuration)
        }
        var taken = names.taken { tensors.entry($0) != nil }
        if let packed = try PackedFormats.reader(configuration) {
            for stack in names.stacks { taken.formUnion(packed.stackSuffixes.map { stack + $0 }) }
            for module in names.modules { taken.formUnion(packed.suffixes.map { "\(module).\($0)" }) }
        }
        var unread = tensors.names.filter { !taken.contains($0) && !isWithoutEffect($0) }
        // Layers that use the keys and values of others are published with matrices for their own.
        unread.removeAll { name in
            sharing.contains { layer in
                ["k_proj", "v_proj", "k_norm", "v_norm"].contains { name.contains("layers.\(layer).self_attn.\($0).") }
                    || ["k", "v", "k_norm"].contains { name.hasPrefix("blk.\(layer).attn_\($0).") }
            }
        }
        let predicting = predictionLayers(from: layerCount)
        let extra = unread.filter { isOfPrediction($0, predicting) }
        // What is used has the table and the head a second time.
        if usesPredictions {
            unread.removeAll {
                isOfPrediction($0, predicting)
                    && [".embed_tokens.weight", ".shared_head.head.weight", ".shared_head_head.weight"]
                        .contains(where: $0.hasSuffix)
            }
        }
        if !extra.isEmpty, !usesPredictions {
            warnings.append(
                "\(path): \(extra.count) tensors of modules for multi-token prediction are left out: they would only draft "
                    + "tokens, and change no reply")
            let set = Set(extra)
            unread.removeAll { set.contains($0) }
        }
        if let kept = storedLayers {
            let crossing = unread.filter { name in
                guard let range = name.firstRange(of: "layers."), !name.contains("vision") else { return false }
                return Int(name[range.upperBound...].prefix { $0.isNumber }).map { !kept.contains($0) } ?? false
            }
            if !crossing.isEmpty {
                warnings.append(
                    "\(path): \(crossing.count) tensors of layers that attend to pictures are left out: without a picture "
                        + "they do nothing")
                let set = Set(crossing)
                unread.removeAll { set.contains($0) }
            }
        }
        // Of a model whose matrices are parametrized (Jina's third): one pair of matrices for each task.
        let tasks = unread.filter { $0.contains(".parametrizations.") && $0.contains(".lora_") }
        if hasEncoder, !tasks.isEmpty {
            let names = configuration.json["lora_adaptations"]?.array?.compactMap(\.string) ?? []
            warnings.append(
                "\(path): \(tasks.count) tensors of task adapters\(names.isEmpty ? "" : " (\(names.joined(separator: ", ")))") "
                    + "are left out: texts are embedded by the base model, as without a task")
            let set = Set(tasks)
            unread.removeAll { set.contains($0) }
        }
        if let wrapper {
            // Tensors outside the text part's prefix belong to other parts.
            let others = unread.filter { self.names.body == "model." ? !$0.hasPrefix("model.layers.") : true }
                .filter { !$0.hasPrefix(self.names.body + "layers.") }
            if !others.isEmpty {
                let parts = Set(others.compactMap { Self.part(of: $0) }).sorted().joined(separator: ", ")
                warnings.append(
                    "\(path): a multimodal model (\(wrapper)): its text part is loaded; \(others.count) "
                        + "tensors of its other parts (\(parts)) are left out, so it accepts text only")
                let set = Set(others)
                unread.removeAll { set.contains($0) }
            }
        }
        if !unread.isEmpty {
            let some = unread.prefix(8).joined(separator: ", ")
            warnings.append(
                "\(path): \(unread.count == 1 ? "a tensor is" : "\(unread.count) tensors are") not read, and what the model "
                    + "computes may be wrong: \(some)\(unread.count > 8 ? ", …" : "")")
        }
        return warnings
    }

    /// The first components of a name: "visual", "vision_tower", "model.visual".
    private static func part(of name: String) -> String? {
        let parts = name.split(separator: ".")
        guard let first = parts.first else { return nil }
        return first == "model" && parts.count > 2 ? "model.\(parts[1])" : String(first)
    }

    /// Whether it belongs to a module that predicts tokens beyond the next: one of those layers, or one of its own name.
    private func isOfPrediction(_ name: String, _ layers: Set<Int>) -> Bool {
        name.hasPrefix("mtp.") || name.contains(".mtp.") || layer(of: name).map(layers.contains) ?? false
    }

    /// Layers behind the last that join the next token's embedding with a state, as only modules for multi-token prediction
    /// do. Others belong to a model of more layers than the configuration says.
    private func predictionLayers(from layerCount: Int) -> Set<Int> {
        Set(
            tensors.names.filter { $0.contains(".eh_proj.") }.compactMap { layer(of: $0) }.filter { $0 >= layerCount })
    }

    private func layer(of name: String) -> Int? {
        [names.body + "layers.", "blk."].first(where: name.hasPrefix).flatMap {
            Int(name.dropFirst($0.count).prefix { $0 != "." })
        }
    }

    /// Tensors that are not weights (tables and masks that programs compute themselves), that are read with the
    /// configuration, or that belong to another task.
    private func isWithoutEffect(_ name: String) -> Bool {
        let ends = [
            "rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached", ".attn.bias", ".attn.masked_bias",
            ".attn.causal_mask",
            "embeddings.position_ids", "embed_positions.weights",
        ]
        if ends.contains(where: name.hasSuffix) { return true }
        if gguf != nil {
            return ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"].contains(name)
                || (kind == .embeds && (name == "output.weight" || name.hasPrefix("cls.") || name.hasPrefix("cls_")))
        }
        if kind == .translates || hasEncoderDecoder {
            // Of a classifier's files: the layers lie below another name.
            var name = name
            if kind != .translates, name.hasPrefix("transformer.") { name.removeFirst("transformer.".count) }
            if kind != .translates, name.hasPrefix("classification_head.") { return true }
            // The shared table under its other names, positions that are computed, a bias that nothing uses.
            return [
                "shared.weight", "model.shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
                "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight",
                "model.encoder.embed_positions.weights", "model.decoder.embed_positions.weights",
                "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
            ].contains(name)
        }
        if hasEncoder {
            let heads = [
                "pooler.", "cls.", "classifier.", "lm_head.", "vocab_", "predictions.", "discriminator_predictions.",
                "generator_", "pre_classifier.", "qa_outputs.", "head.", "decoder.", "lm_predictions.",
                "mask_predictions.", "sop_classifier.", "dense.",
            ]
            // Positions that are computed (RoFormer) too.
            return heads.contains(where: name.hasPrefix) || name.contains(".pooler.") || name.hasSuffix("position_ids")
                || name.hasSuffix("encoder.embed_positions.weight")
                // Of attention to the whole text, which chosen tokens alone have (Longformer).
                || ["query_global.", "key_global.", "value_global."].contains(where: name.contains)
        }
        // The head of a classifier, which is read with it.
        if [.scores, .classifies].contains(kind), ["score.weight", "score.bias"].contains(name) { return true }
        return name == names.head
    }
}

/// Records the names of the parameters that a model asks for, without providing them.
private final class NamesOfParameters: ParameterSource {
    var places: (String) -> [WeightPlace] = { _ in [] }
    /// For each parameter its places, and for each place the names of its tensors.
    private var asked: [[[String]]] = []

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        asked.append(places(name).map(\.storedNames))
        return Tensor(uninitialized: [0, 0])
    }

    /// What the files call the modules of the matrices.
    var modules: [String] {
        asked.compactMap { $0.first?.first }.filter { $0.hasSuffix(".weight") }.map {
            String($0.dropLast(".weight".count))
        }
    }

    /// What the files call stacks of experts' matrices without a suffix.
    var stacks: [String] { asked.compactMap { $0.first?.first }.filter { !$0.hasSuffix(".weight") } }

    /// The tensors that the parameters are taken from: for each parameter the first place that exists.
    func taken(_ exists: (String) -> Bool) -> Set<String> {
        Set(asked.flatMap { places in places.first { exists($0[0]) } ?? [] })
    }
}
