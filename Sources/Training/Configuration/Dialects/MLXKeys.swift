import MartletJSON

/// mlx-lm's files for `mlx_lm.lora --config`.
extension DialectReader {
    func readMLX() {
        demand(verb: "sft", by: "train", "mlx_lm.lora")
        model = text("model")
        demand("train", true, else: "only training is done: evaluate with martlet eval")
        demand("test", false, else: "evaluate with martlet eval or martlet perplexity afterwards")
        text("data", as: "data")
        note(
            "held-out rows are a share of the train split (validation); valid.jsonl and test.jsonl of a folder are left to "
                + "martlet eval")
        text("adapter_path", as: "out")
        usual("out", "adapters")
        text("resume_adapter_file", as: "adapter_from")
        let iterations = integer("iters") ?? 1000
        set("steps", iterations, by: "iters")
        let passes = integer("grad_accumulation_steps") ?? 1, rows = integer("batch_size")
        set(
            "batch_rows", (rows ?? 4).multiplied(clampedBy: passes),
            by: rows == nil ? "grad_accumulation_steps" : "batch_size")
        if passes > 1 { set("micro_batches", passes, by: "grad_accumulation_steps") }
        notePackedRows()
        integer("max_seq_length", as: "context_length")
        usual("context_length", 2048)
        usual("long", "cut")
        integer("seed", as: "seed")
        usual("seed", 0)
        if flag("grad_checkpoint") == true { set("recompute", "layers", by: "grad_checkpoint") }
        // Prompts are learnt too unless they are masked, and then all before the last reply is.
        set("learn", (flag("mask_prompt") ?? false) ? "last" : "all", by: "mask_prompt")
        integer("steps_per_report", as: "log_every")
        integer("steps_per_eval", as: "evaluate_every")
        usual("evaluate_every", 200)
        integer("save_every", as: "save_every")
        usual("save_every", 100)
        if let count = integer("val_batches"), count > 0 {
            set("evaluation_rows", count.multiplied(clampedBy: rows ?? 4), by: "val_batches")
        }
        readMLXOptimizer()
        readMLXAdapter()
        refuse(
            "hf_dataset", next: "name files, or a data set that is in the hub's cache, as data: none is downloaded here"
        )
        readMLXColumns()
        idle("test_batches", "report_to", "project_name", "wandb")
    }

    /// Names of columns; those that are known anyway need no map.
    private func readMLXColumns() {
        let prompt = text("prompt_feature") ?? "prompt", completion = text("completion_feature") ?? "completion"
        let chat = text("chat_feature") ?? "messages", plain = text("text_feature") ?? "text"
        var maps: [(key: String, map: String)] = []
        if prompt != "prompt" || completion != "completion" {
            maps.append(("prompt_feature", "prompt=\(prompt),response=\(completion)"))
        }
        if chat != "messages" { maps.append(("chat_feature", "messages=\(chat)")) }
        if plain != "text" { maps.append(("text_feature", "text=\(plain)")) }
        guard maps.count < 2 else {
            return refuse(maps[1].key, "records have one shape here: leave the names of the columns that they have")
        }
        if let one = maps.first { set("map", one.map, by: one.key) }
    }

    private func readMLXOptimizer() {
        let name = text("optimizer") ?? "adam"
        let details = take("optimizer_config")?.object?[name]?.object ?? [:]
        switch name {
        case "adam", "adamw", "sgd", "adafactor", "muon", "lion", "rmsprop": set("optimizer", name, by: "optimizer")
        default: refuse("optimizer", "there is no optimiser \(name.quoted()) here")
        }
        for (key, value) in details {
            switch key {
            case "betas":
                if let first = Self.number(value.array?.first) { set("beta1", first, by: "optimizer_config") }
                if let second = Self.number(value.array?.dropFirst().first) {
                    set("beta2", second, by: "optimizer_config")
                }
            case "eps": if let number = Self.number(value) { set("epsilon", number, by: "optimizer_config") }
            case "weight_decay":
                if let number = Self.number(value) { set("weight_decay", number, by: "optimizer_config") }
            case "momentum": if let number = Self.number(value) { set("momentum", number, by: "optimizer_config") }
            case "nesterov": if let flag = value.bool { set("nesterov", flag, by: "optimizer_config") }
            case "bias_correction": break
            default: refuse("optimizer_config", "\(key.quoted()) is not understood of \(name)")
            }
        }
        if ["adam", "adamw"].contains(name), details["bias_correction"]?.bool != true {
            note(
                "optimizer \(name): its moments are corrected for their beginning, as mlx-lm does with bias_correction: true"
            )
        }
        usual("beta2", 0.999)
        usual("weight_decay", name == "adamw" ? 0.01 : 0)
        // mlx-lm does not clip.
        usual("clip", 1e6)
        let rate = number("learning_rate") ?? 1e-5
        guard let schedule = take("lr_schedule")?.object else {
            set("learning_rate", rate, by: "learning_rate")
            usual("schedule", "constant")
            return usual("warmup", 0)
        }
        let warmup = schedule["warmup"]?.integer ?? 0,
            values = schedule["arguments"]?.array?.map { Self.number($0) ?? .nan } ?? []
        let key = "lr_schedule", kind = schedule["name"]?.string ?? ""
        if let other = schedule.keys.first(where: { !["name", "warmup", "warmup_init", "arguments"].contains($0) }) {
            refuse(key, "\(other.quoted()) is not understood")
        }
        if let first = Self.number(schedule["warmup_init"]), first > 0 {
            note("warmup_init: the rate rises from 0")
        }
        set("warmup", warmup, by: key)
        guard let highest = values.first, !values.contains(where: \.isNaN) else {
            return refuse(key, "arguments must be numbers, the highest rate first")
        }
        set("learning_rate", highest, by: key)
        switch kind {
        case "cosine_decay", "linear_schedule":
            set("schedule", kind == "cosine_decay" ? "cosine" : "linear", by: key)
            let steps = kind == "cosine_decay" ? values.dropFirst().first : values.dropFirst(2).first
            let last = kind == "cosine_decay" ? (values.count > 2 ? values[2] : 0) : values.dropFirst().first ?? 0
            set("final_rate", highest > 0 ? last / highest : 0, by: key)
            if let steps, let all = value(of: "steps")?.double, steps + Double(warmup) != all, steps != all {
                refuse(
                    key,
                    "decays over \(OptionKey.plain(steps)) steps, the run has \(OptionKey.plain(all)): let it be iters")
            }
        default:
            refuse(key, "\(kind.quoted()) is not understood: cosine_decay or linear_schedule")
        }
    }

    private func readMLXAdapter() {
        let kind = text("fine_tune_type") ?? "lora", layers = integer("num_layers") ?? 16
        let details = take("lora_parameters")?.object ?? [:]
        switch kind {
        case "lora", "dora":
            set("adapter", kind, by: "fine_tune_type")
            if layers > 0 { set("adapter_layers", "last \(layers)", by: "num_layers") }
            let rank = details["rank"]?.integer ?? 8
            set("rank", rank, by: "lora_parameters")
            // mlx-lm multiplies by scale itself; alpha is divided by the rank.
            set("alpha", (Self.number(details["scale"]) ?? 20) * Double(rank), by: "lora_parameters")
            if let share = Self.number(details["dropout"]) { set("adapter_dropout", share, by: "lora_parameters") }
            if let keys = details["keys"]?.array?.compactMap(\.string), !keys.isEmpty {
                // "self_attn.q_proj" is known by its last name.
                let names = keys.map { $0.split(separator: ".").last.map(String.init) ?? $0 }
                set("targets", names.joined(separator: ","), by: "lora_parameters")
            }
            if let other = details.keys.first(where: { !["rank", "scale", "alpha", "dropout", "keys"].contains($0) }) {
                refuse("lora_parameters", "\(other.quoted()) is not understood")
            }
            if details["alpha"] != nil, details["scale"] == nil {
                refuse("lora_parameters", "alpha is of old mlx-lm files: say scale, which is alpha / rank")
            }
        case "full":
            guard layers <= 0 else {
                set("adapter", "freeze", by: "fine_tune_type")
                return set("adapter_layers", "last \(layers)", by: "num_layers")
            }
            usual("adapter", "none")
        default: refuse("fine_tune_type", "\(kind.quoted()) is none of lora, dora and full")
        }
    }
}
