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
            "dataset_streaming", "gradient_checkpointing_kwargs", "use_liger_kernel", "use_liger_loss",
            "pad_token", "padding_free", "pad_to_multiple_of", "activation_offloading", "use_vllm", "vllm_mode",
            "vllm_server_host", "vllm_server_port", "vllm_gpu_memory_utilization", "vllm_tensor_parallel_size",
            "vllm_server_timeout", "log_completions", "num_completions_to_print", "generate_during_eval",
            "precompute_ref_log_probs", "precompute_ref_batch_size", "disable_dropout", "use_logits_to_keep",
            "bnb_4bit_quant_type", "use_bnb_nested_quant", "bnb_4bit_quant_storage", "lora_task_type",
            "ds3_gather_for_generation", "gradient_accumulation_kwargs", "steps_per_generation", "shuffle_dataset",
            "dataset_test_split", "eval_packing", "eos_token", "truncation_mode",
            "local_rollout_forward_batch_size", "num_sample_generations", "callbacks", "benchmarks")
        idle(prefixes: "wandb_", "vllm_")
        refuse(
            "chat_template", next: "the template of the model's folder is used: write it there as chat_template.jinja")
        refuse(
            "system_prompt", next: "give each record its own: a message with role system, or a column system")
        refuse(
            "chat_template_path", "model_init_kwargs", "use_weighting", "sync_ref_model",
            "ref_model_mixup_alpha", "ref_model_sync_steps", "tools", "model_adapter_name", "ref_adapter_name",
            "force_use_ref_model", "base_model_attribute_name", "missing_eos_penalty", "router_aux_loss_coef",
            "use_transformers_paged", "cache_implementation", "generation_kwargs", "use_dft",
            next: "has no counterpart here: take it out")
    }

    private func readTRLData() {
        let option = command.key("data") != nil ? "data" : "prompts"
        if let name = text("dataset_name") { set(option, name, by: "dataset_name") }
        if let name = text("dataset_config") ?? text("dataset_config_name") {
            set("subset", name, by: "dataset_config")
        }
        if let split = text("dataset_train_split"), command.key("data_split") != nil {
            set("data_split", split, by: "dataset_train_split")
        }
        if let mixture = take("datasets") {
            let paths = mixture.array?.compactMap { $0["path"]?.string } ?? []
            if paths.isEmpty {
                refuse("datasets", "expected a list of data sets with a path each")
            } else {
                set(option, .array(paths.map { .string($0) }), by: "datasets")
            }
        }
        readTRLMixture(option)
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
            if let length = integer("max_length") ?? integer("max_seq_length") {
                set("context_length", length, by: "max_length")
            }
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

    /// Several data sets, as recipes of TRL's trainers name them: whole ones. Parts of one are not what shares of rows are here.
    private func readTRLMixture(_ option: String) {
        var paths: [String] = [], splits: Set<String> = [], subsets: Set<String> = [], key = ""
        func take(_ path: String, _ weight: Double) {
            if weight != 1 {
                refuse(
                    key,
                    "takes \(OptionKey.plain(weight)) of \(path): max_records reads the beginning of each, and "
                        + "data: [a=0.5, b=1] draws rows in proportion")
            }
            paths.append(path)
        }
        if let mixture = self.take("dataset_mixture") {
            key = "dataset_mixture"
            for entry in mixture["datasets"]?.array ?? [] {
                guard let path = entry["id"]?.string ?? entry["path"]?.string else {
                    refuse(key, "a data set has no id")
                    continue
                }
                take(path, Self.number(entry["weight"]) ?? 1)
                splits.insert(entry["split"]?.string ?? "train")
                if let subset = entry["config"]?.string { subsets.insert(subset) }
            }
            if let share = Self.number(mixture["test_split_size"]), share < 1 { set("validation", share, by: key) }
        } else if let mixer = self.take("dataset_mixer")?.object {
            key = "dataset_mixer"
            for (path, weight) in mixer { take(path, Self.number(weight) ?? 1) }
            splits = Set((list("dataset_splits") ?? []).filter { !$0.hasPrefix("test") })
        }
        guard !key.isEmpty else { return }
        guard !paths.isEmpty, Set(paths).count == paths.count, splits.count < 2, subsets.count < 2 else {
            return refuse(key, "names no data sets, or several splits or configurations: tune on one after the other")
        }
        set(option, .array(paths.map { .string($0) }), by: key)
        if let split = splits.first, split != "train" { set("data_split", split, by: key) }
        if let subset = subsets.first { set("subset", subset, by: key) }
    }

    private func readTRLModel() {
        let rank = integer("lora_r"), alpha = number("lora_alpha"), share = number("lora_dropout")
        let target = list("lora_target_modules"), saved = list("lora_modules_to_save")
        let stable = flag("use_rslora") ?? false, dora = flag("use_dora") ?? false
        _ = list("lora_target_parameters").map { _ in
            refuse("lora_target_parameters", "name modules: lora_target_modules")
        }
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
        if let target { setTargets(target, by: "lora_target_modules") }
        if let saved, !saved.isEmpty {
            set("modules_to_save", saved.joined(separator: ","), by: "lora_modules_to_save")
        }
    }

    private func readTRLPreferences() {
        number("beta", as: "beta")
        let losses = list("loss_type"), weights = take("loss_weights")?.array?.compactMap(\.double)
        if let losses, !losses.isEmpty {
            if let weights, weights.count == losses.count {
                let parts = zip(losses, weights).map { "\($0)=\(OptionKey.plain($1))" }
                set("loss", parts.joined(separator: ","), by: "loss_type")
            } else {
                set("loss", losses.joined(separator: ","), by: "loss_type")
            }
        }
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
            let ours = names.map { ["accuracy_reward": "math", "think_format_reward": "format"][$0] ?? $0 }
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
        readRolloutBatch = { [unowned self] each, passes, key in
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
        idle("num_mini_batches", "exp_name")
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
