import MartletInference
import MartletJSON

/// What llama.cpp's server tells of itself, for clients that look there first.
public enum LlamaServerReply {
    /// `GET /props`. What is no property here is left out rather than made up.
    /// - Parameters:
    ///   - slots: replies computed together at most.
    ///   - build: name and version of the server.
    public static func properties(_ model: LanguageModel, name: String, slots: Int, build: String) -> JSON {
        let tokenizer = model.tokenizer, special = tokenizer.namedSpecialTokens
        return [
            "default_generation_settings": [
                "n_ctx": .integer(model.configuration.contextLength), "params": parameters(model.defaultOptions),
            ],
            "total_slots": .integer(slots), "model_alias": .string(name), "model_path": .string(name),
            "modalities": ["vision": false, "audio": false],
            "chat_template": .string(model.chatTemplate?.source ?? ""),
            "bos_token": .string(special["bos_token"] ?? ""), "eos_token": .string(special["eos_token"] ?? ""),
            "build_info": .string(build), "is_sleeping": false,
        ]
    }

    static func parameters(_ options: GenerationOptions) -> JSON {
        let sampling = options.sampling
        return [
            "n_predict": .integer(options.maximumTokens ?? -1),
            "temperature": .number(sampling.temperature.plain), "top_k": .integer(sampling.topK),
            "top_p": .number(sampling.topP.plain), "min_p": .number(sampling.minP.plain),
            "typical_p": .number(sampling.typicalP.plain),
            "repeat_penalty": .number(sampling.repetitionPenalty.plain),
            "repeat_last_n": .integer(sampling.penaltyWindow ?? -1),
            "presence_penalty": .number(sampling.presencePenalty.plain),
            "frequency_penalty": .number(sampling.frequencyPenalty.plain),
            "stop": .array(options.stopStrings.map { .string($0) }), "stream": false,
        ]
    }

    /// `GET /slots`: how many replies are computed, without a word of what they say.
    public static func slots(running: Int, of total: Int, contextLength: Int) -> JSON {
        .array(
            (0..<total).map { number in
                [
                    "id": .integer(number), "n_ctx": .integer(contextLength),
                    "is_processing": .bool(number < running),
                ]
            })
    }
}
