import MartletJSON

/// TRL's configuration files (`trl sft --config`), and those of transformers' trainers.
extension DialectReader {
    func readTRL() {
        model = text("model_name_or_path")
        readTRLData()
        readTRLModel()
        let rate: Double
        switch command.name {
        case "sft", "distill": rate = 2e-5
        case "dpo": rate = 1e-6
        case "grpo": rate = 1e-6
        case "reward": rate = 1e-4
        case "ppo": rate = 3e-6
        default: rate = 5e-5
        }
        switch command.name {
        case "dpo": readTRLPreferences()
        case "grpo": readTRLGroups()
        case "ppo": readTRLProximal()
        case "reward": number("center_rewards_coefficient", as: "centering")
        case "distill": readTRLDistillation()
        default: break
        }
        let isReplies = ["grpo", "ppo"].contains(command.name)
        readTrainingArguments(rate: rate, rowsOption: isReplies ? nil : "batch_rows")
        idle(
            "trust_remote_code", "attn_implementation", "model_revision", "torch_dtype", "dtype", "dataset_num_proc",
            "dataset_streaming", "streaming", "gradient_checkpointing_kwargs", "use_liger_kernel", "use_liger_loss",
            "pad_token", "padding_free", "pad_to_multiple_of", "activation_offloading", "use_vllm", "vllm_mode",
            "vllm_server_host", "vllm_server_port", "vllm_gpu_memory_utilization", "vllm_tensor_parallel_size",
            "vllm_server_timeout", "log_completions", "num_completions_to_print", "generate_during_eval",
            "precompute_ref_log_probs", "precompute_ref_batch_size", "disable_dropout", "use_logits_to_keep",
            "bnb_4bit_quant_type", "use_bnb_nested_quant", "bnb_4bit_quant_storage", "lora_task_type",
            "ds3_gather_for_generation", "gradient_accumulation_kwargs", "shuffle_dataset",
            "dataset_test_split", "eval_packing", "eos_token", "truncation_mode",
            "local_rollout_forward_batch_size", "num_sample_generations", "callbacks", "benchmarks")
        idle(prefixes: "wandb_", "vllm_")
        if let template = text("chat_template"), !template.isEmpty {
            set("chat_template", template, by: "chat_template")
        }
        if let path = text("chat_template_path") {
            // A model's folder has it in a file.
            set(
                "chat_template", path.hasSuffix(".jinja") ? path : path + "/chat_template.jinja",
                by: "chat_template_path")
        }
        if let system = text("system_prompt"), !system.isEmpty { set("system", system, by: "system_prompt") }
        refuse(
            "model_init_kwargs", "use_weighting", "sync_ref_model",
            "ref_model_mixup_alpha", "ref_model_sync_steps", "tools", "model_adapter_name", "ref_adapter_name",
            "force_use_ref_model", "base_model_attribute_name", "missing_eos_penalty", "router_aux_loss_coef",
            "use_transformers_paged", "cache_implementation", "generation_kwargs", "use_dft",
            next: "has no counterpart here: take it out")
    }

    private func readTRLData() {
        let option = command.key("data") != nil ? "data" : "prompts"
        let name = text("dataset_name"), subset = text("dataset_config") ?? text("dataset_config_name")
        let split = text("dataset_train_split")
        if option == "data" {
            if let name { set(option, name, by: "dataset_name") }
            if let subset { set("subset", subset, by: "dataset_config") }
            if let split { set("data_split", split, by: "dataset_train_split") }
        } else if let name {
            set(option, Self.part(name, subset, split ?? "train"), by: "dataset_name")
        }
        readTRLMixture(option)
        // Held-out rows are another split there, which is looked at where evaluations are asked for.
        switch peek("eval_strategy") ?? peek("evaluation_strategy") ?? "no" {
        case "no": usual("validation", 0)
        default:
            if !isSet("validation"), command.key("validation") != nil {
                note("dataset_test_split: held-out rows are a share of the training split (validation)")
            }
        }
        if let details = take("dataset_kwargs") {
            let usual: Set = ["add_special_tokens", "append_concat_token", "skip_prepare_dataset"]
            if let other = details.object?.keys.first(where: { !usual.contains($0) }) {
                refuse("dataset_kwargs", "\(other.quoted()) has no counterpart here: take it out")
            } else {
                note("dataset_kwargs: rows are made as the model's template says")
            }
        }
        // Columns of problems that are known by their names.
        demand(
            "dataset_prompt_column", among: ["prompt", "problem", "question", "instruction", "query"],
            else: "name it with the answer's: map prompt=COLUMN,response=COLUMN")
        if let field = text("dataset_text_field"), field != "text" { set("field", field, by: "dataset_text_field") }
        if ["sft", "dpo", "reward", "distill"].contains(command.name) {
            let key = has("max_length") ? "max_length" : "max_seq_length"
            if let length = integer(key) { set("context_length", length, by: key) }
            integer("max_prompt_length").map { _ in
                note("max_prompt_length: a prompt with its reply has max_length tokens at most, prompts are not cut")
            }
            if command.name != "distill" {
                integer("max_completion_length").map { _ in
                    note(
                        "max_completion_length: a prompt with its reply has max_length tokens at most, replies are not cut"
                    )
                }
            }
        }
        guard command.name == "sft" else { return }
        usual("long", "cut")
        let packs = flag("packing") ?? false
        demand(
            "packing_strategy", among: ["bfd", "ffd", "bfd_split", "bfd-requeue"], else: "rows are packed by best fit")
        if !packs { notePackedRows() }
        let repliesAlone = flag("assistant_only_loss") ?? false, completionsAlone = flag("completion_only_loss")
        if repliesAlone || completionsAlone == true {
            set("learn", "replies", by: repliesAlone ? "assistant_only_loss" : "completion_only_loss")
        } else if completionsAlone == false {
            set("learn", "all", by: "completion_only_loss")
        } else {
            note(
                "assistant_only_loss is not set: TRL would learn all of a conversation, and the completions alone of "
                    + "prompt and completion; here replies alone are learnt (learn: all for everything)")
        }
        demand("loss_type", among: ["nll"], else: "sft learns the next token: take it out")
    }

    /// A part of a data set: "org/chats:train_sft", "org/talk:SFT:table_gpt".
    private static func part(_ path: String, _ subset: String?, _ split: String) -> String {
        let subset = subset == "default" ? nil : subset
        guard subset != nil || split != "train" else { return path }
        return ([path] + [subset].compactMap { $0 } + [split]).joined(separator: ":")
    }

    private func setPaths(_ option: String, _ paths: [String], by key: String) {
        if option == "data" {
            set(option, .array(paths.map { .string($0) }), by: key)
        } else if paths.count == 1 {
            set(option, paths[0], by: key)
        } else {
            refuse(key, "martlet \(command.name) reads one file or folder of prompts")
        }
    }

    /// Several data sets, as recipes of TRL's trainers name them: whole ones. Parts of one are not what shares of rows are here.
    private func readTRLMixture(_ option: String) {
        var parts: [(path: String, subset: String?, split: String)] = [], key = ""
        func take(_ path: String, _ weight: Double, _ subset: String? = nil, _ split: String = "train") {
            if weight != 1 {
                refuse(
                    key,
                    "takes \(OptionKey.plain(weight)) of \(path): max_records reads the beginning of each, and "
                        + "data: [a=0.5, b=1] draws rows in proportion")
            }
            parts.append((path, subset == "default" ? nil : subset, split))
        }
        if let mixture = self.take("dataset_mixture") {
            key = "dataset_mixture"
            for entry in mixture["datasets"]?.array ?? [] {
                guard let path = entry["id"]?.string ?? entry["path"]?.string else {
                    refuse(key, "a data set has no id")
                    continue
                }
                take(
                    path, Self.number(entry["weight"]) ?? 1, entry["config"]?.string,
                    entry["split"]?.string ?? "train")
            }
            if let held = Self.number(mixture["test_split_size"]) {
                set("validation", held, by: key)
            } else {
                usual("validation", 0)
            }
            if let other = mixture.object?.keys.first(where: { !["datasets", "test_split_size", "seed"].contains($0) })
            {
                refuse(key, "\(other.quoted()) is not understood; take it out")
            }
        } else if let mixer = self.take("dataset_mixer")?.object {
            key = "dataset_mixer"
            let splits = (list("dataset_splits") ?? ["train"]).filter { !$0.hasPrefix("test") }
            for (path, weight) in mixer { for split in splits { take(path, Self.number(weight) ?? 1, nil, split) } }
        }
        if let own = self.take("datasets") {
            key = "datasets"
            for entry in own.array ?? [] {
                guard let path = entry["path"]?.string else {
                    refuse(key, "a data set has no path")
                    continue
                }
                let known: Set = ["path", "name", "split", "columns"]
                for (name, value) in entry.object ?? [:] where !known.contains(name) && !value.isNull {
                    refuse(key, "\(name.quoted()) of \(path) is not understood: name its folder or file as path")
                }
                take(path, 1, entry["name"]?.string, entry["split"]?.string ?? "train")
            }
            number("test_split_size", as: "validation")
        }
        guard !key.isEmpty else { return }
        guard !parts.isEmpty else { return refuse(key, "names no data sets") }
        setParts(option, parts, by: key)
    }

    /// Data sets, each with a split and a subset of its own.
    func setParts(_ option: String, _ parts: [(path: String, subset: String?, split: String)], by key: String) {
        guard let first = parts.first else { return }
        if option == "data", parts.allSatisfy({ $0.split == first.split && $0.subset == first.subset }) {
            setPaths(option, parts.map(\.path), by: key)
            if first.split != "train" { set("data_split", first.split, by: key) }
            if let subset = first.subset { set("subset", subset, by: key) }
        } else {
            setPaths(option, parts.map { Self.part($0.path, $0.subset, $0.split) }, by: key)
        }
    }

    private func readTRLModel() {
        let rank = integer("lora_r"), alpha = number("lora_alpha"), share = number("lora_dropout")
        let target = list("lora_target_modules"), saved = list("lora_modules_to_save")
        let stable = flag("use_rslora") ?? false, dora = flag("use_dora") ?? false
        let joined = list("lora_target_parameters") ?? []
        if let bits = flag("load_in_4bit").map({ $0 ? 4 : 0 }), bits > 0 { demandQuantized(4, by: "load_in_4bit") }
        if let bits = flag("load_in_8bit").map({ $0 ? 8 : 0 }), bits > 0 { demandQuantized(8, by: "load_in_8bit") }
        guard flag("use_peft") ?? false else {
            if rank ?? alpha.map({ Int($0) }) != nil || target != nil {
                note("use_peft is not set: the model itself is tuned, lora_… have no effect")
            }
            return
        }
        if dora && stable { refuse("use_dora", "an adapter is one of lora, rslora and dora: leave one") }
        set("adapter", dora ? "dora" : stable ? "rslora" : "lora", by: "use_peft")
        if let rank { set("rank", rank, by: "lora_r") } else { usual("rank", 16) }
        if let alpha { set("alpha", alpha, by: "lora_alpha") } else { usual("alpha", 32) }
        if let share { set("adapter_dropout", share, by: "lora_dropout") } else { usual("adapter_dropout", 0.05) }
        if target != nil || !joined.isEmpty {
            setTargets(
                target ?? [], withExperts: joined, by: joined.isEmpty ? "lora_target_modules" : "lora_target_parameters"
            )
        }
        if let saved, !saved.isEmpty {
            set("modules_to_save", saved.joined(separator: ","), by: "lora_modules_to_save")
        }
    }

    private func readTRLPreferences() {
        number("beta", as: "beta")
        readLosses("loss_type", "loss_weights")
        number("label_smoothing", as: "label_smoothing")
        if let weight = number("rpo_alpha") { set("sft_weight", weight, by: "rpo_alpha") }
        if let weight = number("cpo_alpha") { set("sft_weight", weight, by: "cpo_alpha") }
        number("ld_alpha", as: "tail_weight")
        number("simpo_gamma", as: "simpo_margin")
        number("discopop_tau", as: "discopop_tau")
        number("desirable_weight", as: "desirable_weight")
        number("undesirable_weight", as: "undesirable_weight")
        flag("reference_free", as: "reference_free")
        text("f_divergence_type", as: "f_divergence")
        text("ref_model", as: "reference")
    }

    /// Losses of pairs, with their weights where there are several.
    func readLosses(_ key: String, _ weightsKey: String) {
        let losses = list(key) ?? [], given = take(weightsKey)
        guard let given else {
            if !losses.isEmpty { set("loss", losses.joined(separator: ","), by: key) }
            return
        }
        let weights = given.array?.compactMap { Self.number($0) } ?? []
        guard !losses.isEmpty, weights.count == losses.count, weights.count == given.array?.count else {
            return refuse(weightsKey, "has \(weights.count) numbers for \(losses.count) of \(key)")
        }
        let parts = zip(losses, weights).map { "\($0)=\(OptionKey.plain($1))" }
        set("loss", parts.joined(separator: ","), by: key)
    }

    func readTRLGroups() {
        integer("num_generations", as: "group_size")
        usual("group_size", 8)
        integer("max_completion_length", as: "maximum_tokens")
        usual("maximum_tokens", 256)
        integer("max_prompt_length").map { _ in
            note("max_prompt_length: prompts longer than the model's context are left out")
        }
        number("temperature", as: "temperature")
        demandWholeDistribution()
        if let weight = number("beta"), weight != 0 { set("kl_weight", weight, by: "beta") }
        number("epsilon", as: "ratio_clip")
        number("epsilon_high", as: "clip_high")
        number("delta", as: "ratio_limit")
        integer("num_iterations", as: "updates")
        text("importance_sampling_level", as: "importance")
        switch text("loss_type") ?? "dapo" {
        case "grpo": set("normalisation", "replies", by: "loss_type")
        case "dapo", "bnpo": set("normalisation", "tokens", by: "loss_type")
        case "dr_grpo": set("normalisation", "length", by: "loss_type")
        case "cispo": set("method", "cispo", by: "loss_type")
        case let other: refuse("loss_type", "\(other.quoted()) is none of grpo, dapo, bnpo, dr_grpo and cispo")
        }
        switch take("scale_rewards") {
        case nil, .bool(true)?, .string("group")?: break
        case .bool(false)?, .string("none")?: set("divides_by_deviation", false, by: "scale_rewards")
        default: refuse("scale_rewards", "is group or none here")
        }
        if let names = list("reward_funcs") {
            let weights = take("reward_weights")?.array?.compactMap(\.double) ?? []
            if !weights.isEmpty, weights.count != names.count {
                refuse("reward_weights", "has \(weights.count) numbers for \(names.count) of reward_funcs")
            }
            let known = [
                "accuracy_reward": "math", "accuracy": "math", "tag_count_reward": "tag_count",
                // Thoughts first, and no second ones.
                "think_format_reward": #"regex:/\A<think>(?![\s\S]*<think>)[\s\S]*?<\/think>/"#,
            ]
            let ours = names.map { known[$0.split(separator: ".").last.map(String.init) ?? $0] ?? $0 }
            let parts = ours.enumerated().map {
                weights.indices.contains($0) ? "\($1)=\(OptionKey.plain(weights[$0]))" : $1
            }
            set("reward", parts.joined(separator: ","), by: "reward_funcs")
        } else if has("reward_weights") {
            refuse("reward_weights", "say what is rewarded: reward_funcs, or --reward NAME=WEIGHT,…")
            _ = take("reward_weights")
        }
        text("reward_model_name_or_path", as: "reward")
        demand(
            "mask_truncated_completions", false,
            else: "replies that were cut are learnt from: take it out, or set overlong_margin")
        let passesOfReplies = integer("steps_per_generation")
        readRolloutBatch = { [unowned self] each, passes, key in
            if let passesOfReplies, passesOfReplies != passes {
                refuse(
                    "steps_per_generation",
                    "replies of one generation make one step here, as with gradient_accumulation_steps of the same number; "
                        + "num_iterations learns from them again")
            }
            let replies = each.multiplied(clampedBy: passes), group = value(of: "group_size")?.integer ?? 8
            guard replies % group == 0 else {
                return refuse(key, "\(replies) replies of a step are no whole number of groups of \(group)")
            }
            set("problems", replies / group, by: key)
        }
    }

    private func readTRLProximal() {
        if let path = text("reward_model_path") {
            set("reward", path.contains("/") ? path : "./" + path, by: "reward_model_path")
        }
        if let path = text("sft_model_path") { model = path }
        integer("num_ppo_epochs", as: "updates")
        number("kl_coef", as: "kl_weight")
        number("cliprange", as: "ratio_clip")
        number("cliprange_value", as: "value_clip")
        number("vf_coef", as: "value_weight")
        number("gamma", as: "discount")
        number("lam", as: "gae_lambda")
        integer("response_length", as: "maximum_tokens")
        usual("maximum_tokens", 53)
        number("temperature", as: "temperature")
        usual("temperature", 0.7)
        demand("whiten_rewards", false, else: "advantages are whitened, rewards are not")
        demand("kl_estimator", among: ["k1"], else: "the divergence is the plain difference of log-probabilities")
        demand("stop_token", among: ["eos"], else: "replies end with the model's end token")
        demand(
            "num_mini_batches", among: ["1"],
            else: "the replies of a step make one update each time (num_ppo_epochs): take it out")
        idle("exp_name")
        if let episodes = integer("total_episodes") {
            totalEpisodes = episodes
        }
        readRolloutBatch = { [unowned self] each, passes, key in
            let perStep = max(1, each.multiplied(clampedBy: passes))
            set("problems", perStep, by: key)
            if let episodes = totalEpisodes { set("steps", max(1, episodes / perStep), by: "total_episodes") }
        }
    }

    private func readTRLDistillation() {
        text("teacher_model_name_or_path", as: "teacher")
        let writesFirst = flag("seq_kd") ?? false
        if writesFirst {
            set("level", "sequence", by: "seq_kd")
            refuse(
                "beta", "lmbda",
                next: "is of next tokens: with seq_kd the teacher's replies are learnt as they are written here")
        } else {
            number("beta", as: "divergence")
            usual("divergence", 0.5)
            number("lmbda", as: "on_policy")
            usual("on_policy", 0.5)
        }
        guard writesFirst || value(of: "on_policy")?.double ?? 0 > 0 else {
            return idle("temperature", "max_new_tokens", "max_completion_length")
        }
        // Of replies there; the divergence is taken at 1.
        number("temperature", as: "draw_temperature")
        usual("draw_temperature", 0.9)
        integer(has("max_new_tokens") ? "max_new_tokens" : "max_completion_length", as: "maximum_tokens")
    }
}
