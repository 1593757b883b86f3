import MartletInference
import MartletJSON
import MartletSystem

/// Members that the dialects of OpenAI, vLLM and llama.cpp share.
extension GenerationRequest {
    mutating func readShared(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) {
        model = try fields.string("model", longest: 1024)
        samples = try fields.integer("n", 1...limits.samples) ?? 1
        try readBeams(&fields, limits)
        sourceLanguage = try fields.string("src_lang", longest: 64)
        targetLanguage = try fields.string("tgt_lang", longest: 64)
        try sampling.read(&fields, limits)
        try stopping.read(&fields, limits)
        try readStream(&fields)
        try readTruncation(&fields)
        let returnsTokens = try fields.bool("return_tokens")
        self.returnsTokens = try fields.bool("return_token_ids") ?? returnsTokens ?? false
        spellsTokensAsIDs = try fields.bool("return_tokens_as_token_ids") ?? false
        addsSpecialTokens = try fields.bool("add_special_tokens")
        cacheSalt = try fields.string("cache_salt", longest: limits.cacheSaltLength) ?? ""
        let identifier = try fields.string("safety_identifier", longest: 1024)
        user = try fields.string("user", longest: 1024) ?? identifier
        requestID = try fields.string("request_id", longest: 256)
        constraint = try ConstraintSource(&fields)
        promptLogProbabilities = try fields.integer("prompt_logprobs", 0...limits.topLogProbabilities)
        try Self.refuseUnsupported(&fields, dialect)
        fields.ignore(
            "metadata", "store", "service_tier", "prompt_cache_key", "prompt_cache_retention", "cache_prompt",
            "id_slot",
            "priority", "prediction", "verbosity", "guided_decoding_backend")
    }

    /// As vLLM: `best_of` beams, or n, of which the best n are returned.
    private mutating func readBeams(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) {
        let best = try fields.integer("best_of", 1...limits.samples), uses = try fields.bool("use_beam_search")
        let penalty = try fields.number("length_penalty", -100...100), stopping = fields.json("early_stopping")
        guard uses == true else {
            if uses == false { beamSearch = .off }
            for (name, isHarmless) in [
                ("length_penalty", penalty ?? 1 == 1), ("early_stopping", stopping ?? .bool(false) == .bool(false)),
            ] where !isHarmless {
                throw .unsupported(fields.path(of: name), "is for requests with use_beam_search")
            }
            if let best, best != samples {
                throw .unsupported(
                    "best_of",
                    "is \(best); only the value of n (\(samples)) is supported, or more with use_beam_search")
            }
            return
        }
        var options = BeamSearchOptions(width: best ?? samples)
        options.returnedCount = samples
        guard samples <= options.width else {
            throw fields.error("best_of", "is \(options.width), fewer beams than the \(samples) replies of n")
        }
        options.lengthPenalty = Double(penalty ?? 1)
        switch stopping {
        case nil, .bool(false)?: options.stopping = .whenUnlikely
        case .bool(true)?: options.stopping = .whenFull
        case .string("never")?: options.stopping = .whenImpossible
        case _?: throw fields.error("early_stopping", "must be true, false or 'never'")
        }
        beamSearch = .on(options)
    }

    private mutating func readStream(_ fields: inout FieldReader) throws(APIError) {
        let isStreamed = try fields.bool("stream") ?? false
        var settings = StreamSettings()
        settings.hasTimings = try fields.bool("timings_per_token") ?? false
        if var options = try fields.fields("stream_options") {
            guard isStreamed else {
                throw APIError("stream_options is only allowed when stream is true", parameter: "stream_options")
            }
            settings.includesUsage = try options.bool("include_usage") ?? false
            settings.hasContinuousUsage = try options.bool("continuous_usage_stats") ?? false
            options.ignore("include_obfuscation")
        }
        stream = isStreamed ? settings : nil
    }

    private mutating func readTruncation(_ fields: inout FieldReader) throws(APIError) {
        let tokens = try fields.integer("truncate_prompt_tokens", -1...(1 << 24))
        let side = try fields.string("truncation_side") ?? "left"
        guard side == "left" || side == "right" else {
            throw fields.error("truncation_side", "must be 'left' or 'right'")
        }
        guard let tokens, tokens != 0 else { return }
        truncation = Truncation(tokens: tokens, keepsEnd: side == "left")
    }

    /// Members that would change the answer and that nothing here implements, unless they ask for what is done anyway.
    private static func refuseUnsupported(_ fields: inout FieldReader, _ dialect: Dialect) throws(APIError) {
        func isZero(_ value: JSON) -> Bool { value.double == 0 }
        func isNotPositive(_ value: JSON) -> Bool { value.double.map { $0 <= 0 } ?? false }
        func isEmpty(_ value: JSON) -> Bool { value.array?.isEmpty ?? false }
        func isFalse(_ value: JSON) -> Bool { value.bool == false }
        for key in ["mirostat", "dry_multiplier", "xtc_probability", "dynatemp_range", "n_keep"] {
            try fields.refuse(key, unless: isZero)
        }
        fields.ignore(
            "mirostat_tau", "mirostat_eta", "dry_base", "dry_allowed_length", "dry_penalty_last_n",
            "dry_sequence_breakers", "xtc_threshold", "dynatemp_exponent")
        for key in ["top_n_sigma", "thinking_token_budget"] { try fields.refuse(key, unless: isNotPositive) }
        // Read before where it has a meaning.
        if dialect != .llamaCompletion { try fields.refuse("n_probs", unless: isNotPositive) }
        if dialect != .llamaCompletion { try fields.refuse("lora", unless: isEmpty) }
        for key in ["bad_words", "samplers", "logprob_token_ids"] { try fields.refuse(key, unless: isEmpty) }
        for key in ["return_progress", "post_sampling_probs"] { try fields.refuse(key, unless: isFalse) }
        for key in [
            "web_search_options", "audio", "logits_processors", "grammar_triggers", "kv_transfer_params",
            "prompt_embeds",
        ] {
            try fields.refuse(key)
        }
        try fields.refuse(
            "modalities", unless: { $0.array?.allSatisfy { $0.string == "text" } ?? false }, "may be ['text'] only")
    }
}

extension SamplingSettings {
    mutating func read(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) {
        temperature = try fields.number("temperature", 0...2)
        topP = try fields.number("top_p", 0...1)
        if topP == 0 { topP = .leastNonzeroMagnitude }
        topK = try fields.integer("top_k", -1...Int(Int32.max)).map { Swift.max($0, 0) }
        minP = try fields.number("min_p", 0...1)
        typicalP = try fields.number("typical_p", 0...1).map { $0 == 0 ? 1 : $0 }
        repetitionPenalty = try fields.number("repetition_penalty", 0.01...100)
        if repetitionPenalty == nil { repetitionPenalty = try fields.number("repeat_penalty", 0.01...100) }
        // −1 is the context, which is everything.
        penaltyWindow = try fields.integer("repeat_last_n", -1...Int(Int32.max)).flatMap { $0 < 0 ? nil : $0 }
        presencePenalty = try fields.number("presence_penalty", -2...2)
        frequencyPenalty = try fields.number("frequency_penalty", -2...2)
        // −1 asks for another one each time, as with llama.cpp and Ollama.
        seed = try fields.integer("seed", .min ... .max).flatMap { $0 == -1 ? nil : UInt64(bitPattern: Int64($0)) }
        allowedTokens = try fields.tokens("allowed_token_ids", most: 1 << 20)
        if let allowedTokens, allowedTokens.isEmpty {
            throw fields.error("allowed_token_ids", "must hold at least one token")
        }
        logitBias = try Self.logitBias(&fields, limits)
    }

    private static func logitBias(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) -> [Int32:
        Float]
    {
        if let list = fields.json("logit_bias")?.array {
            return try logitBias(list, fields.path(of: "logit_bias"), limits)
        }
        guard let object = try fields.object("logit_bias") else { return [:] }
        guard object.count <= limits.logitBiases else {
            throw fields.error("logit_bias", "has \(object.count) members; at most \(limits.logitBiases) are allowed")
        }
        var biases: [Int32: Float] = [:]
        for (key, value) in object {
            guard let token = Int32(key), token >= 0 else {
                throw fields.error("logit_bias", "has the key '\(key.shown(limit: 40))'; keys must be token ids")
            }
            guard let bias = value.double, (-100...100).contains(bias) else {
                throw .invalid("\(fields.path(of: "logit_bias")).\(token)", "must be a number from -100 to 100")
            }
            biases[token] = Float(bias)
        }
        return biases
    }

    /// llama.cpp's form: `[[id, bias], [id, false]]`, where false forbids the token.
    private static func logitBias(
        _ list: [JSON], _ path: String, _ limits: RequestLimits
    ) throws(APIError) -> [Int32: Float] {
        guard list.count <= limits.logitBiases else {
            throw .invalid(path, "has \(list.count) items; at most \(limits.logitBiases) are allowed")
        }
        var biases: [Int32: Float] = [:]
        for (index, item) in list.enumerated() {
            let place = "\(path)[\(index)]"
            guard let pair = item.array, pair.count == 2 else { throw .invalid(place, "must be a token id and a bias") }
            let token = Int32(try FieldReader.integer(pair[0], 0...Int(Int32.max), place + "[0]"))
            if pair[1].bool == false {
                biases[token] = -.infinity
            } else if let bias = pair[1].double, (-100...100).contains(bias) {
                biases[token] = Float(bias)
            } else {
                throw .invalid(place + "[1]", "must be a number from -100 to 100, or false")
            }
        }
        return biases
    }
}

extension FieldReader {
    /// How long a reply may be: −1, which many clients send, leaves it to the server.
    mutating func maximumTokens(_ key: String, least: Int) throws(APIError) -> Int? {
        if let value = json(key), value.integer == -1 { return nil }
        return try integer(key, least...Int(Int32.max))
    }
}

extension StoppingSettings {
    mutating func read(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) {
        strings = try Self.stopStrings(&fields, "stop", limits)
        tokens = Set(try fields.tokens("stop_token_ids", most: limits.stopTokens) ?? [])
        ignoresEndOfSequence = try fields.bool("ignore_eos") ?? false
        skipsSpecialTokens = try fields.bool("skip_special_tokens") ?? true
        minimumTokens = try fields.integer("min_tokens", 0...Int(Int32.max)) ?? 0
        includesStopString = try fields.bool("include_stop_str_in_output") ?? false
        repetitionDetection = try Self.repetitionDetection(&fields)
        fields.ignore("spaces_between_special_tokens")
    }

    /// vLLM's `repetition_detection`: what repeats, from `min_pattern_size` to `max_pattern_size` tokens, stands there
    /// `min_count` times. `min_tokens` is our own: tokens of all repetitions together, at least.
    private static func repetitionDetection(_ fields: inout FieldReader) throws(APIError) -> RepetitionDetection? {
        guard var numbers = try fields.fields("repetition_detection") else { return nil }
        let largest = try numbers.integer("max_pattern_size", 0...4096) ?? 0
        let least = try numbers.integer("min_pattern_size", 0...4096) ?? 0
        let count = try numbers.integer("min_count", 0...1024) ?? 0
        let tokens = try numbers.integer("min_tokens", 0...(1 << 20)) ?? 0
        // As vLLM has it, zeros switch it off.
        guard largest > 0, count > 0 else { return nil }
        let detection = RepetitionDetection(
            minimumPattern: max(least, 1), maximumPattern: largest, count: count, minimumTokens: tokens)
        do throws(OptionError) { try detection.validate() } catch {
            throw fields.error("repetition_detection", "is \(error.value); it must be \(error.expected)")
        }
        return detection
    }

    static func stopStrings(
        _ fields: inout FieldReader, _ key: String, _ limits: RequestLimits
    ) throws(APIError) -> [String] {
        let strings: [String]
        if let text = fields.json(key)?.string {
            try FieldReader.check(text, limits.stopStringLength, fields.path(of: key))
            strings = [text]
        } else if let value = fields.json(key), value.array == nil {
            throw fields.error(key, "must be a string or an array of strings, not \(value.kind)")
        } else {
            strings = try fields.strings(key, most: limits.stopStrings, longest: limits.stopStringLength) ?? []
        }
        return strings.filter { !$0.isEmpty }
    }
}
