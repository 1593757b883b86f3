import MartletJSON
import MartletSystem

extension GenerationRequest {
    /// The form of the reply in text-generation-inference.
    public enum TextGenerationForm: Sendable, Equatable {
        /// `POST /generate`: one object.
        case one
        /// `POST /`: a list with one object, or events if `stream` is true.
        case list
        /// `POST /generate_stream`.
        case events
    }

    /// The body of text-generation-inference's routes: `inputs` and `parameters`.
    public init(
        textGeneration body: some Sequence<UInt8>, form: TextGenerationForm, limits: RequestLimits = RequestLimits()
    ) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        let input = try fields.required("inputs", fields.string("inputs"))
        self.init(dialect: .textGeneration, input: .prompts([.text(input)]))
        textGenerationForm = form
        model = try fields.string("model", longest: 1024)
        let isStreamed = form == .list ? try fields.bool("stream") ?? false : form == .events
        if form != .list { fields.ignore("stream") }
        stream = isStreamed ? StreamSettings() : nil
        var parameters = try fields.fields("parameters") ?? FieldReader(JSONObject(), path: "parameters", in: fields)
        try readTextGeneration(&parameters, limits)
        unknownFields += fields.unread
    }

    private mutating func readTextGeneration(
        _ parameters: inout FieldReader, _ limits: RequestLimits
    ) throws(APIError) {
        let draws = try parameters.bool("do_sample") ?? false
        sampling.temperature = try parameters.number("temperature", 0...2)
        sampling.topK = try parameters.integer("top_k", 0...Int(Int32.max))
        sampling.topP = try parameters.number("top_p", 0...1).map { $0 == 0 ? .leastNonzeroMagnitude : $0 }
        sampling.typicalP = try parameters.number("typical_p", 0...1).map { $0 == 0 ? 1 : $0 }
        sampling.repetitionPenalty = try parameters.number("repetition_penalty", 0.01...100)
        sampling.frequencyPenalty = try parameters.number("frequency_penalty", -2...2)
        sampling.seed = try parameters.integer("seed", .min ... .max).map { UInt64(bitPattern: Int64($0)) }
        // Without any option for sampling, decoding is greedy.
        let asksForChance =
            sampling.temperature != nil || sampling.topK != nil || sampling.topP != nil || sampling.typicalP != nil
        if !draws, !asksForChance { sampling.temperature = 0 }
        stopping.maximumTokens = try parameters.integer("max_new_tokens", 1...Int(Int32.max)) ?? 100
        stopping.strings =
            (try parameters.strings("stop", most: limits.stopStrings, longest: limits.stopStringLength) ?? [])
            .filter { !$0.isEmpty }
        if let tokens = try parameters.integer("truncate", 1...(1 << 24)) { truncation = Truncation(tokens: tokens) }
        echoesPrompt = try parameters.bool("return_full_text") ?? false
        hasTextGenerationDetails = try parameters.bool("details") ?? false
        if try parameters.bool("decoder_input_details") ?? false {
            guard stream == nil else {
                throw parameters.error("decoder_input_details", "is not supported for streams")
            }
            promptLogProbabilities = 0
        }
        let top = try parameters.integer("top_n_tokens", 0...limits.topLogProbabilities) ?? 0
        // The reply lists tokens with their log-probabilities.
        if hasTextGenerationDetails || stream != nil || top > 0 { logProbabilities = top }
        if var grammar = try parameters.fields("grammar") {
            let value = try grammar.required("value", grammar.json("value"))
            switch try grammar.required("type", grammar.string("type")) {
            case "json", "json_schema":
                constraint = .jsonSchema(try ConstraintSource.schema(value, grammar.path(of: "value")))
            case "regex":
                guard let text = value.string else { throw grammar.error("value", "must be a string") }
                constraint = .regex(text)
            default: throw grammar.error("type", "must be 'json' or 'regex'")
            }
        }
        try parameters.refuse("best_of", unless: { $0.double == 1 })
        try parameters.refuse("watermark", unless: { $0.bool == false })
        try parameters.refuse("adapter_id")
    }
}
