import MartletJSON
import MartletSystem

extension GGUFTokenizerMetadata {
    /// The tokenizer as files of a model folder, readable by `Tokenizer(folder:)` and transformers:
    /// `tokenizer_config.json`, with `tokenizer.json` for byte-level BPE or `tokenizer.model` for sentencepiece.
    /// - Throws: `TokenizerError.unsupported` for other models, and for a byte-level BPE whose pre-tokenizer cannot
    ///   be expressed in such a file.
    package func files() throws(TokenizerError) -> [(name: String, bytes: [UInt8])] {
        let vocabulary: (name: String, bytes: [UInt8])
        switch model {
        case "gpt2": vocabulary = ("tokenizer.json", try byteLevel().bytes() + [0x0A])
        case "llama": vocabulary = ("tokenizer.model", sentencePiece())
        default:
            throw .unsupported(
                file: "GGUF metadata", field: "tokenizer.ggml.model", found: model, known: ["gpt2", "llama"])
        }
        return [vocabulary, ("tokenizer_config.json", configuration.bytes(indent: 2) + [0x0A])]
    }

    private func spelling(_ id: Int) -> String { String(decoding: tokens[id], as: UTF8.self) }

    private func type(_ id: Int) -> TokenType {
        tokenTypes.indices.contains(id) ? TokenType(rawValue: tokenTypes[id]) ?? .normal : .normal
    }

    private func named(_ id: Int32?) -> String? {
        id.flatMap { tokens.indices.contains(Int($0)) ? spelling(Int($0)) : nil }
    }

    private var beginsTexts: Bool { addsBOS ?? (model == "llama" || KnownPatterns.beginsTexts(pre ?? "")) }

    // MARK: - tokenizer_config.json

    private var configuration: JSON {
        let isScored = model == "llama"
        var members: [JSONObject.Element] = [
            ("tokenizer_class", isScored ? "LlamaTokenizer" : "PreTrainedTokenizerFast"),
            ("add_bos_token", .bool(beginsTexts)), ("add_eos_token", .bool(addsEOS ?? false)),
        ]
        // sentencepiece's traditional ids, if the file names none.
        let names = [
            ("bos_token", named(bosID ?? (isScored ? 1 : nil))), ("eos_token", named(eosID ?? (isScored ? 2 : nil))),
            ("pad_token", named(padID)), ("unk_token", named(unknownID)),
        ]
        for case (let key, let token?) in names { members.append((key, .string(token))) }
        members.append(("clean_up_tokenization_spaces", false))
        // legacy: a space before every span between special tokens, as in these files.
        if isScored { members.append(("legacy", true)) }
        if let template = chatTemplates["default"] { members.append(("chat_template", .string(template))) }
        return .object(JSONObject(members))
    }

    // MARK: - tokenizer.json

    private func byteLevel() throws(TokenizerError) -> JSON {
        let pre = pre ?? "default"
        guard let cuts = KnownPatterns.json(named: pre) else {
            throw .unsupported(
                file: "GGUF metadata", field: "tokenizer.ggml.pre", found: pre,
                known: [
                    "gpt-2", "smollm", "llama-bpe", "qwen2", "gpt-4o", "tekken", "deepseek-v3", "falcon", "default",
                ])
        }
        let turnEnds = Set(Tokenizer.Details.turnEnds.map { String($0) })
        let added = tokens.indices.compactMap { id -> JSON? in
            let type = type(id), content = spelling(id), endsTurn = turnEnds.contains(content)
            guard type == .control || type == .unknown || type == .userDefined || endsTurn, !content.isEmpty else {
                return nil
            }
            return [
                "id": .integer(Int64(id)), "content": .string(content), "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": .bool(type != .userDefined || endsTurn),
            ]
        }
        let byteLevel: JSON = ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true]
        return [
            "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added),
            "normalizer": .null, "pre_tokenizer": cuts, "post_processor": postProcessor, "decoder": byteLevel,
            "model": [
                "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
                "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": .bool(KnownPatterns.prefersWholeWords(pre)),
                "vocab": TrainedTokenizer.vocabulary(tokens.indices.map(spelling)),
                "merges": .array(merges.filter { !$0.isEmpty }.map { .string($0) }),
            ],
        ]
    }

    private var postProcessor: JSON {
        guard beginsTexts, let id = bosID, let token = named(id) else { return .null }
        let begin: JSON = ["SpecialToken": ["id": .string(token), "type_id": 0]]
        func sequence(_ name: String, _ type: Int64) -> JSON {
            ["Sequence": ["id": .string(name), "type_id": .integer(type)]]
        }
        let special = JSON.object(
            JSONObject([
                (token, ["id": .string(token), "ids": [.integer(Int64(id))], "tokens": [.string(token)]] as JSON)
            ]))
        return [
            "type": "TemplateProcessing", "single": [begin, sequence("A", 0)],
            "pair": [begin, sequence("A", 0), sequence("B", 1)], "special_tokens": special,
        ]
    }

    // MARK: - tokenizer.model

    /// The protocol buffer `ModelProto`; field numbers as in sentencepiece_model.proto.
    private func sentencePiece() -> [UInt8] {
        var model = ProtobufWriter()
        for id in tokens.indices {
            var piece = ProtobufWriter()
            // Tokens that users defined lie in these files as they look in a text, with blanks.
            let isDefined = type(id) == .userDefined
            piece.put(1, isDefined ? Array(spelling(id).replacing(" ", with: "▁").utf8) : tokens[id])
            piece.put(2, scores.isEmpty ? -Float(id) : scores[id])
            let type = type(id)
            piece.put(3, Int(type == .undefined ? TokenType.normal.rawValue : type.rawValue))
            model.put(1, message: piece)
        }
        var trainer = ProtobufWriter()
        trainer.put(3, 2)
        if tokenTypes.contains(TokenType.byte.rawValue) { trainer.put(35, 1) }
        let unknown = unknownID ?? tokens.indices.first { type($0) == .unknown }.map(Int32.init) ?? 0
        for (field, id) in [(40, unknown), (41, bosID ?? 1), (42, eosID ?? 2), (43, padID ?? -1)] {
            trainer.put(field, Int(id))
        }
        model.put(2, message: trainer)
        var normalizer = ProtobufWriter()
        normalizer.put(1, text: "identity")
        normalizer.put(3, addsSpacePrefix ?? true ? 1 : 0)
        normalizer.put(4, removesExtraWhitespaces ?? false ? 1 : 0)
        normalizer.put(5, 1)
        model.put(3, message: normalizer)
        return model.bytes
    }
}
