import MartletJSON
import MartletSystem

/// What the tokenizer class of transformers defines for a folder without `tokenizer.json`: ids that differ from the
/// vocabulary file, special tokens around a text, the pre-tokenizer.
///
/// An unknown class is refused by name, because its ids might be different without any sign of it.
enum TokenizerClass {
    /// sentencepiece files whose ids are the pieces' ids.
    static let plainSentencePiece: Set<String> = [
        "LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer", "T5Tokenizer", "MT5Tokenizer", "UMT5Tokenizer",
        "MistralTokenizer", "MixtralTokenizer", "BaichuanTokenizer", "InternLMTokenizer", "InternLM2Tokenizer",
        "YiTokenizer", "InternLM3Tokenizer", "OrionTokenizer", "Phi3Tokenizer", "MiniCPMTokenizer", "AquilaTokenizer",
        "BigBirdTokenizer", "PreTrainedTokenizer", "TokenizersBackend",
    ]
    /// Ids are shifted by one: fairseq's own four special tokens come first.
    static let fairseqSentencePiece: Set<String> = ["XLMRobertaTokenizer"]
    /// GPT-2's two files, without special tokens around a text.
    static let plainPairs: Set<String> = [
        "GPT2Tokenizer", "CodeGenTokenizer", "GPTNeoXTokenizer", "PreTrainedTokenizer", "TokenizersBackend",
    ]
    static let qwenPairs: Set<String> = ["Qwen2Tokenizer"]
    /// GPT-2's two files, with `<s>` and `</s>` around a text.
    static let robertaPairs: Set<String> = [
        "RobertaTokenizer", "BartTokenizer", "LongformerTokenizer", "LEDTokenizer", "MvpTokenizer",
    ]
    /// The same two files, with `[CLS]` and `[SEP]` around a text.
    static let debertaPairs: Set<String> = ["DebertaTokenizer"]
    /// BERT's vocabulary file.
    static let wordPieces: Set<String> = [
        "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "ConvBertTokenizer",
        "SqueezeBertTokenizer", "RetriBertTokenizer", "LayoutLMTokenizer", "DPRQuestionEncoderTokenizer",
        "DPRContextEncoderTokenizer", "PreTrainedTokenizer", "TokenizersBackend",
    ]

    private static let byModelType = [
        "xlm-roberta": "XLMRobertaTokenizer", "camembert": "CamembertTokenizer", "mbart": "MBartTokenizer",
        "roberta": "RobertaTokenizer", "bart": "BartTokenizer", "longformer": "LongformerTokenizer",
        "qwen2": "Qwen2Tokenizer", "qwen3": "Qwen2Tokenizer", "gpt2": "GPT2Tokenizer", "clip": "CLIPTokenizer",
        "whisper": "WhisperTokenizer", "t5": "T5Tokenizer", "mt5": "MT5Tokenizer", "llama": "LlamaTokenizer",
        "bert": "BertTokenizer", "distilbert": "DistilBertTokenizer", "electra": "ElectraTokenizer",
        "mpnet": "MPNetTokenizer", "albert": "AlbertTokenizer", "deberta-v2": "DebertaV2Tokenizer",
        "deberta": "DebertaTokenizer", "led": "LEDTokenizer",
        "xlnet": "XLNetTokenizer", "pegasus": "PegasusTokenizer", "marian": "MarianTokenizer",
        "m2m_100": "M2M100Tokenizer",
    ]

    /// The class named in the configuration, without "Fast"; otherwise the class of the model type.
    static func name(_ configuration: FileField?, model: FileField?) throws(TokenizerError) -> String? {
        if let name = try configuration?["tokenizer_class"]?.string() {
            return name.hasSuffix("Fast") ? String(name.dropLast(4)) : name
        }
        return try model?["model_type"]?.string().lowercased(with: byModelType)
    }

    static func check(
        _ name: String?, _ known: Set<String>, _ configuration: FileField?
    ) throws(TokenizerError) {
        guard let name, !known.contains(name) else { return }
        throw .unsupported(
            file: configuration?.file ?? "config.json", field: "tokenizer_class, without a tokenizer.json,",
            found: name,
            known: known.sorted())
    }
}

extension String {
    fileprivate func lowercased(with names: [String: String]) -> String? { names[lowercased()] }
}

extension Tokenizer.Parts {
    /// Adds a token, or changes the flags of the token with this id.
    private mutating func add(_ token: AddedToken, from field: FileField) throws(TokenizerError) {
        if let index = addedTokens.firstIndex(where: { $0.id == token.id }) {
            guard addedTokens[index].content.utf8.elementsEqual(token.content.utf8) else {
                throw field.malformed(
                    "id \(token.id) is both \(addedTokens[index].content.quoted()) and \(token.content.quoted())")
            }
            addedTokens[index] = token
        } else {
            addedTokens.append(token)
        }
    }

    /// The tokens of `added_tokens.json` and of `added_tokens_decoder` in `tokenizer_config.json`.
    mutating func readAddedTokens(
        _ configuration: FileField?, list: FileField?, special: FileField?
    ) throws(TokenizerError) {
        var names: Set<String> = []
        for key in ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"] {
            for file in [configuration, special] {
                guard let field = file?[key] else { continue }
                names.insert(try field.value.object == nil ? field.string() : field.required("content").string())
            }
        }
        for file in [configuration, special] {
            for field in try file?["additional_special_tokens"]?.elements() ?? [] {
                names.insert(try field.value.object == nil ? field.string() : field.required("content").string())
            }
        }
        if let list {
            for (content, value) in try list.object() {
                let field = FileField(value, file: list.file, path: content)
                try add(
                    AddedToken(id: try field.id(), content: content, isSpecial: names.contains(content)), from: field)
            }
        }
        guard let decoder = configuration?["added_tokens_decoder"] else { return }
        for (id, value) in try decoder.object() {
            let field = FileField(value, file: decoder.file, path: "\(decoder.path).\(id)")
            guard let number = Int32(id), number >= 0, Int(number) <= TokenList.largestID else {
                throw field.malformed("\(id.quoted()) is not a token id")
            }
            try add(
                AddedToken(
                    id: number, content: try field.required("content").string(),
                    isSpecial: try field.bool("special", or: false), stripsLeft: try field.bool("lstrip", or: false),
                    stripsRight: try field.bool("rstrip", or: false),
                    isSingleWord: try field.bool("single_word", or: false)), from: field)
        }
    }

    /// T5's hundred `<extra_id_…>` tokens; the last one has the first id after the pieces.
    mutating func addExtraIDs(_ configuration: FileField?) throws(TokenizerError) {
        let count = try configuration?["extra_ids"]?.count(limit: 100_000) ?? 100
        let first = model.vocabularySize
        for number in 0..<count where !addedTokens.contains(where: { $0.content == "<extra_id_\(number)>" }) {
            let id = Int32(first + count - 1 - number)
            guard !addedTokens.contains(where: { $0.id == id }) else { continue }
            addedTokens.append(AddedToken(id: id, content: "<extra_id_\(number)>", isSpecial: true))
        }
    }

    /// Takes the special tokens of a model with `vocab.json` and `merges.txt`, by the names that they have in the vocabulary.
    /// - Returns: those that stand around a text.
    mutating func takeSpecials(
        _ start: String, _ end: String, pad: String, unknown: String, mask: String
    ) throws(TokenizerError) -> (start: Int32, end: Int32) {
        addedTokens = []
        for name in [start, pad, end, unknown, mask] {
            guard let id = id(of: name) else { continue }
            addedTokens.append(AddedToken(id: id, content: name, isSpecial: true, stripsLeft: name == mask))
        }
        guard let first = id(of: start), let last = id(of: end) else {
            throw .malformed(file: "vocab.json", field: "the whole file", reason: "no \(start) or no \(end)")
        }
        (details.bosToken, details.classToken, details.separatorToken) = (first, first, last)
        (details.padToken, details.unknownToken, details.maskToken) = (id(of: pad), id(of: unknown), id(of: mask))
        details.eosTokens = [last]
        return (first, last)
    }

    /// `<s>` and `</s>` around a text, and two `</s>` between the texts of a pair, as in RoBERTa.
    mutating func surroundAsRoberta(start: Int32, end: Int32) {
        template = SequenceTemplate(
            single: [.token(start, type: 0), .first(type: 0), .token(end, type: 0)],
            pair: [
                .token(start, type: 0), .first(type: 0), .token(end, type: 0), .token(end, type: 0),
                .second(type: 0), .token(end, type: 0),
            ])
    }
}

extension SentencePieceModel {
    /// The same pieces with other ids. Tokens that only the list has are never cut from a text; pieces that only the model
    /// has get ids behind the list's.
    func renumbered(_ ids: [String: Int], unknown: Int, end: Int, pad: Int?) -> SentencePieceModel {
        var result = self
        let size = (ids.values.max() ?? 0) + 1
        result.tokens = Array(repeating: nil, count: size)
        result.scores = Array(repeating: 0, count: size)
        result.kinds = Array(repeating: .unused, count: size)
        for (token, id) in ids { result.tokens[id] = Array(token.utf8) }
        for (index, token) in tokens.enumerated() where kinds[index] == .normal || kinds[index] == .userDefined {
            guard let token else { continue }
            if let id = ids[String(decoding: token, as: UTF8.self)] {
                (result.scores[id], result.kinds[id]) = (scores[index], kinds[index])
            } else {
                result.tokens.append(token)
                result.scores.append(scores[index])
                result.kinds.append(kinds[index])
            }
        }
        result.kinds[unknown] = .unknown
        result.kinds[end] = .control
        if let pad { result.kinds[pad] = .control }
        (result.unknownID, result.eosID, result.bosID, result.padID) = (
            Int32(unknown), Int32(end), -1, Int32(pad ?? -1)
        )
        return result
    }

    /// The same model with fairseq's ids: `<s>`, `<pad>`, `</s>`, `<unk>`, the pieces after sentencepiece's own three,
    /// those that stand before the mask, and `<mask>`.
    func withFairseqIDs(beforeMask more: [String] = []) -> SentencePieceModel {
        func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
        var result = self
        let rest = tokens.indices.dropFirst(3)
        result.tokens =
            [bytes("<s>"), bytes("<pad>"), bytes("</s>"), bytes("<unk>")] + rest.map { tokens[$0] }
            + more.map(bytes) + [bytes("<mask>")]
        result.scores = [0, 0, 0, 0] + rest.map { scores[$0] } + more.map { _ in 0 } + [0]
        result.kinds =
            [.control, .control, .control, .unknown] + rest.map { kinds[$0] } + more.map { _ in .control } + [.control]
        (result.bosID, result.padID, result.eosID, result.unknownID) = (0, 1, 2, 3)
        return result
    }
}
