import MartletJSON
import MartletNN

extension Family {
    /// ERNIE 1 to 3, the encoders: a BERT, in some with a vector of the task on all embeddings (Sun et al. 2020). The task is
    /// the first one, as transformers takes it where nothing else is said.
    static let ernie = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                var spec = try EncoderConfiguration(bert: reader)
                let tasks = try reader.integer("task_type_vocab_size", in: 1...65_536, default: 3)
                if try reader.flag("use_task_id", default: false) { spec.taskVocabularySize = tasks }
                return spec
            },
            places: { name in
                if name == "model.embed_tasks.weight" {
                    return ["", "ernie."].map { .tensor($0 + "embeddings.task_type_embeddings.weight") }
                }
                return bertPlaces(name).flatMap { [$0, .tensor("ernie." + $0.storedName)] }
            }, ggufPlaces: { [.tensor($0)] }, head: EncoderHeadForm(basePrefix: "ernie.")),
        "ernie",
        defaults: [
            "vocab_size": 30_522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "max_position_embeddings": 512,
        ], neutral: ["tie_word_embeddings", "enable_recompute", "fuse", "layer_type", "pool_act"])
}
