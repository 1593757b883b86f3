import MartletJSON
import MartletNN

extension Family {
    /// RoBERTa, XLM-R and CamemBERT: a BERT whose positions begin after the padding token's (Liu et al. 2019).
    static let roberta = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                if reader.json["position_embedding_type"]?.string == "rotary" {
                    // Jina's third embedding model, in its own files.
                    var spec = try EncoderConfiguration(
                        bert: reader.replacing("position_embedding_type", by: "absolute"))
                    try spec.rotate(reader, defaultTheta: 10_000)
                    return spec
                }
                var spec = try EncoderConfiguration(bert: reader)
                try spec.takeRobertaPositions(reader)
                return spec
            }, places: { bertPlaces($0) + flashPlaces($0) }, ggufPlaces: bertPlaces,
            head: EncoderHeadForm(
                dense: ["classifier.dense"], output: ["classifier.out_proj"], basePrefix: "roberta.", masked: .roberta),
            readOnlyPositions: ["rotary"]),
        "roberta", "xlm-roberta", "camembert",
        defaults: [
            "vocab_size": 50_265, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2, "pad_token_id": 1,
        ], neutral: jinaNeutral)

    /// data2vec's encoder of texts: a RoBERTa that predicts states (Baevski et al. 2022).
    static let data2vecText = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                var spec = try EncoderConfiguration(bert: reader)
                try spec.takeRobertaPositions(reader)
                return spec
            }, places: { bertPlaces($0).flatMap { [$0, .tensor("data2vec_text." + $0.storedName)] } },
            ggufPlaces: { [.tensor($0)] },
            head: EncoderHeadForm(
                dense: ["classifier.dense"], output: ["classifier.out_proj"], basePrefix: "data2vec_text.",
                masked: .roberta)),
        "data2vec-text",
        defaults: [
            "vocab_size": 30_522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2, "pad_token_id": 1,
        ], neutral: ["tie_word_embeddings"])
}

extension EncoderConfiguration {
    /// Positions that begin after the padding token's, as fairseq numbers them.
    mutating func takeRobertaPositions(_ reader: ConfigurationReader) throws(ModelError) {
        positionOffset = try reader.integer("pad_token_id", in: 0...1024, default: 1) + 1
        guard contextLength > positionOffset else {
            throw .wrongValue(
                file: reader.file, key: "max_position_embeddings", found: "\(contextLength)",
                expected: "more than the \(positionOffset) rows before the first position")
        }
        contextLength -= positionOffset
    }
}
