import MartletJSON

/// sentencepiece files of encoder-decoders whose ids are not the pieces': Pegasus, mBART and M2M-100, as the classes of
/// transformers number them.
extension Tokenizer.Parts {
    /// The classes that `translating` reads.
    static let translatingClasses: Set<String> = [
        "PegasusTokenizer", "MBartTokenizer", "MBart50Tokenizer", "M2M100Tokenizer",
    ]

    /// - Parameters:
    ///   - className: one of `translatingClasses`.
    ///   - list: `vocab.json`, which only M2M-100 has.
    static func translating(
        _ source: SentencePieceModel, _ className: String, file: String, _ configuration: FileField?,
        list: () throws(TokenizerError) -> FileField
    ) throws(TokenizerError) -> Tokenizer.Parts {
        if className == "PegasusTokenizer" {
            let offset = try configuration?["offset"]?.count(limit: 10_000) ?? 103
            return try Tokenizer.parts(
                source.withPegasusIDs(offset: offset, file: file), file: file, Tokenizer.Surroundings(addsEOS: true))
        }
        let isList = className == "M2M100Tokenizer"
        let languages =
            isList ? Self.listed.map { "__\($0)__" } : Self.mBART + (className == "MBartTokenizer" ? [] : Self.more)
        let model: SentencePieceModel
        if isList {
            let vocabulary = try list()
            var ids: [String: Int] = [:]
            for (token, id) in try vocabulary.object() {
                ids[token] = Int(try FileField(id, file: vocabulary.file, path: token).id())
            }
            guard let end = ids["</s>"], let unknown = ids["<unk>"] else {
                throw .malformed(file: vocabulary.file, field: "the whole file", reason: "no </s> or no <unk>")
            }
            // The languages' ids follow those of the list.
            let first = (ids.values.max() ?? 0) + 1
            for (index, name) in languages.enumerated() { ids[name] = first + index }
            model = source.renumbered(ids, unknown: unknown, end: end, pad: ids["<pad>"])
        } else {
            model = source.withFairseqIDs(beforeMask: languages)
        }
        var result = try Tokenizer.parts(model, file: file, Tokenizer.Surroundings())
        for name in languages {
            guard let id = result.id(of: name), !result.addedTokens.contains(where: { $0.id == id }) else { continue }
            result.addedTokens.append(AddedToken(id: id, content: name, isSpecial: true))
        }
        result.addedTokens.sort { $0.id < $1.id }
        if let mask = isList ? nil : result.id(of: "<mask>") {
            for index in result.addedTokens.indices where result.addedTokens[index].id == mask {
                result.addedTokens[index].stripsLeft = true
            }
            result.details.maskToken = mask
        }
        // The language that texts are read as where nobody says another one.
        let own = try configuration?["src_lang"]?.string() ?? (isList ? "en" : "en_XX")
        let name = isList ? "__\(own)__" : own
        guard let language = result.id(of: name), let end = result.id(of: "</s>") else {
            throw .unsupported(
                file: configuration?.file ?? file, field: "src_lang", found: own, known: languages)
        }
        let isBehind = className == "MBartTokenizer"
        result.template =
            isBehind ? .around(before: [], after: [end, language]) : .around(before: [language], after: [end])
        return result
    }

    /// mBART's 25 languages, and those of mBART-50 behind them.
    private static let mBART = [
        "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN", "hi_IN", "it_IT", "ja_XX",
        "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO", "ru_RU", "si_LK", "tr_TR", "vi_VN",
        "zh_CN",
    ]
    private static let more = [
        "af_ZA", "az_AZ", "bn_IN", "fa_IR", "he_IL", "hr_HR", "id_ID", "ka_GE", "km_KH", "mk_MK", "ml_IN", "mn_MN",
        "mr_IN", "pl_PL", "ps_AF", "pt_XX", "sv_SE", "sw_KE", "ta_IN", "te_IN", "th_TH", "tl_XX", "uk_UA", "ur_PK",
        "xh_ZA", "gl_ES", "sl_SI",
    ]
    /// Those of M2M-100.
    private static let listed = [
        "af", "am", "ar", "ast", "az", "ba", "be", "bg", "bn", "br", "bs", "ca", "ceb", "cs", "cy", "da", "de", "el",
        "en", "es", "et", "fa", "ff", "fi", "fr", "fy", "ga", "gd", "gl", "gu", "ha", "he", "hi", "hr", "ht", "hu",
        "hy", "id", "ig", "ilo", "is", "it", "ja", "jv", "ka", "kk", "km", "kn", "ko", "lb", "lg", "ln", "lo", "lt",
        "lv", "mg", "mk", "ml", "mn", "mr", "ms", "my", "ne", "nl", "no", "ns", "oc", "or", "pa", "pl", "ps", "pt",
        "ro", "ru", "sd", "si", "sk", "sl", "so", "sq", "sr", "ss", "su", "sv", "sw", "ta", "th", "tl", "tn", "tr",
        "uk", "ur", "uz", "vi", "wo", "xh", "yi", "yo", "zh", "zu",
    ]
}

extension SentencePieceModel {
    /// The same pieces behind Pegasus' own tokens: padding, end, two masks, and those that only its pretraining had.
    func withPegasusIDs(offset: Int, file: String) throws(TokenizerError) -> SentencePieceModel {
        guard offset >= 4, tokens.count > 2, unknownID == 2 else {
            throw .malformed(
                file: file, field: "the pieces", reason: "the unknown token is not the third one, as Pegasus has it")
        }
        let own = ["<pad>", "</s>", "<mask_1>", "<mask_2>"] + (2..<offset).map { "<unk_\($0)>" }
        var result = self
        result.tokens = own.map { Array($0.utf8) } + tokens.dropFirst(2)
        result.scores = own.map { _ in 0 } + scores.dropFirst(2)
        result.kinds = own.map { _ in .control } + kinds.dropFirst(2)
        (result.padID, result.eosID, result.bosID, result.unknownID) = (0, 1, -1, Int32(own.count))
        return result
    }
}
