import MartletJSON

/// axolotl's YAML files: `rl` and `reward_model` say which command they are for.
extension DialectReader {
    func readAxolotl() {
        model = text("base_model")
        readAxolotlVerb()
        readAxolotlData()
        readAxolotlAdapter()
        readAxolotlSteps()
        readAxolotlRate()
        readPrecision()
        readAxolotlIntervals()
        refuse(
            "peft_init_lora_weights", "relora_steps", "s2_attention", "tokens",
            "added_tokens_overrides", "overrides_of_model_config", "plugins", "datasets_shuffle_seed", "test_datasets",
            "shuffle_merged_datasets", "curriculum_sampling", "pretraining_dataset", "llama4_linearized_experts",
            "kd_trainer", "chat_template_jinja", "peft_layer_replication", "lr_groups",
            "embedding_lr", "embedding_lr_scale", "cosine_constant_lr_ratio", "trl", "vllm",
            next: "has no counterpart here: take it out")
        idle(
            "model_type", "tokenizer_type", "tokenizer_config", "base_model_config", "is_llama_derived_model",
            "is_mistral_derived_model", "trust_remote_code", "tokenizer_use_fast", "tokenizer_legacy", "strict",
            "dataset_prepared_path", "dataset_processes", "dataset_keep_in_memory",
            "pad_to_sequence_len", "flash_attention", "sdp_attention", "xformers_attention", "eager_attention",
            "flex_attention", "attn_implementation", "flash_attn_cross_entropy", "flash_attn_rms_norm",
            "flash_attn_fuse_mlp", "flash_attn_fuse_qkv", "lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel",
            "torch_compile", "wandb_project", "wandb_entity", "wandb_watch", "wandb_name", "wandb_log_model",
            "wandb_run_id", "wandb_mode", "mlflow_tracking_uri", "mlflow_experiment_name", "comet_project_name",
            "local_rank", "deepspeed", "fsdp", "fsdp_config", "fsdp_version", "ddp", "ddp_timeout", "debug", "tf32",
            "gradient_checkpointing_kwargs", "eval_batch_size", "eval_sample_packing", "save_safetensors",
            "save_only_model", "hub_model_id", "hub_strategy", "hf_use_auth_token", "push_dataset_to_hub", "bfloat16",
            "float16", "device_map", "max_memory", "low_cpu_mem_usage", "sample_packing_group_size",
            "sample_packing_bin_size", "total_num_tokens", "eval_causal_lm_metrics", "eval_max_new_tokens",
            "dataloader_num_workers", "dataloader_prefetch_factor", "dataloader_pin_memory",
            "logging_dir", "use_tensorboard", "lora_modules", "remove_unused_columns", "seq_parallel",
            "context_parallel_size", "tensor_parallel_size", "dp_shard_size", "early_stopping_metric",
            "loss_watchdog_threshold",
            "loss_watchdog_patience", "include_tokens_per_second", "profiler_steps", "gc_steps",
            "resize_token_embeddings_to_32x", "bnb_config_kwargs", "gpu_memory_limit")
    }

    private func readAxolotlVerb() {
        switch text("rl") {
        case nil: break
        case let kind? where ["dpo", "ipo", "orpo", "simpo", "kto"].contains(kind):
            demand(verb: "dpo", by: "rl", "rl \(kind)")
            if command.name == "dpo" { set("loss", kind == "dpo" ? "sigmoid" : kind, by: "rl") }
        case "grpo"?: demand(verb: "grpo", by: "rl", "rl grpo")
        case let kind?: refuse("rl", "\(kind.quoted()) is none of dpo, ipo, orpo, simpo, kto and grpo")
        }
        for key in ["reward_model", "process_reward_model"] where flag(key) == true {
            demand(verb: "reward", by: key, key)
        }
        number("rl_beta", as: "beta")
        number("dpo_beta", as: "beta")
        number("orpo_alpha", as: "beta")
        number("rpo_alpha", as: "sft_weight")
        number("cpo_alpha", as: "sft_weight")
        number("simpo_gamma", as: "simpo_margin")
        number("dpo_label_smoothing", as: "label_smoothing")
        number("kto_desirable_weight", as: "desirable_weight")
        number("kto_undesirable_weight", as: "undesirable_weight")
        number("center_rewards_coefficient", as: "centering")
        idle("precompute_ref_log_probs", "dpo_use_logits_to_keep")
    }

    private func readAxolotlData() {
        var paths: [String] = [], maps: Set<String> = [], splits: Set<String> = [], learns: Set<String> = []
        for (index, entry) in (take("datasets")?.array ?? []).enumerated() {
            func refuseEntry(_ name: String, _ next: String) {
                refuse("datasets", "entry \(index + 1): \(name) \(next)")
            }
            guard let members = entry.object, let path = members["path"]?.string else {
                refuseEntry("path", "is missing")
                continue
            }
            var map: [String] = []
            for (name, value) in members where !value.isNull {
                switch name {
                case "path", "ds_type", "trust_remote_code", "revision", "preprocess_shards": break
                case "data_files":
                    let files = value.string.map { [$0] } ?? value.array?.compactMap(\.string) ?? []
                    if files.isEmpty { refuseEntry(name, "is no file, or list of files") }
                    paths += files.map { $0.contains("/") ? $0 : path + "/" + $0 }
                case "type":
                    let known = value.string.map { $0.split(separator: ".").first.map(String.init) ?? $0 }
                    if let known {
                        let shapes: Set = [
                            "alpaca", "chat_template", "sharegpt", "completion", "input_output", "chatml", "llama3",
                            "gpteacher",
                            "alpaca_chat", "explainchoice", "context_qa", "orpo", "bradley_terry",
                            "stepwise_supervised",
                            "user_defined", "passthrough", "zephyr", "load_camel_ai", "alpaca_w_system",
                        ]
                        if !shapes.contains(known) {
                            refuseEntry(name, "\(known.quoted()) is not known; take it out: shapes are found out")
                        }
                    } else if let columns = value.object {
                        for (role, column) in columns {
                            let ours = [
                                "field_instruction": "prompt", "field_input": "context", "field_output": "response",
                                "field_system": "system", "field_prompt": "prompt", "field_chosen": "chosen",
                                "field_rejected": "rejected", "field_completion": "response", "field_label": "label",
                            ]
                            if let ours = ours[role], let column = column.string {
                                map.append("\(ours)=\(column)")
                            } else {
                                refuseEntry(
                                    "type.\(role)", "is not understood: the model's chat template writes prompts")
                            }
                        }
                    } else {
                        refuseEntry(name, "is not understood")
                    }
                case "split": splits.insert(value.string ?? "")
                case "name": if let text = value.string { set("subset", text, by: "datasets") }
                case "field": if let text = value.string { map.append("text=\(text)") }
                case "field_messages":
                    // Names that are known anyway need no map.
                    if let text = value.string, !["messages", "conversations"].contains(text) {
                        map.append("messages=\(text)")
                    }
                case "field_tools": if let text = value.string { map.append("tools=\(text)") }
                case "field_system": if let text = value.string { map.append("system=\(text)") }
                case "field_chosen": if let text = value.string { map.append("chosen=\(text)") }
                case "field_rejected": if let text = value.string { map.append("rejected=\(text)") }
                case "message_property_mappings":
                    for (role, column) in value.object ?? [:] {
                        let known =
                            role == "role" ? ["role", "from"] : role == "content" ? ["content", "value"] : [role]
                        if !known.contains(column.string ?? "") {
                            refuseEntry(
                                name,
                                "\(role) is \(column.text()): describe the file in a dataset_info.json (tags), and name it with dataset_info"
                            )
                        }
                    }
                case "message_field_role":
                    if !["role", "from"].contains(value.string ?? "") { refuseEntry(name, "is role or from") }
                case "message_field_content":
                    if !["content", "value"].contains(value.string ?? "") { refuseEntry(name, "is content or value") }
                case "roles":
                    let usual: Set = ["user", "human", "assistant", "gpt", "model", "system", "tool"]
                    let names = (value.object ?? [:]).flatMap {
                        [$0.key] + ($0.value.array?.compactMap(\.string) ?? [])
                    }
                    if !Set(names).isSubset(of: usual) {
                        refuseEntry(name, "has other speakers than \(usual.sorted().joined(separator: ", "))")
                    }
                case "roles_to_train":
                    let names = value.array?.compactMap(\.string) ?? []
                    if names.isEmpty || Set(names).isSubset(of: ["assistant", "gpt", "model"]) {
                        learns.insert("replies")
                    } else {
                        refuseEntry(
                            name,
                            "\(names.joined(separator: ", ")): replies are learnt (or everything: train_on_inputs)")
                    }
                case "train_on_eos":
                    if value.string != "turn" { refuseEntry(name, "is turn here: a reply is learnt with what ends it") }
                case "train_on_eot":
                    if value.string != "turn" { refuseEntry(name, "is turn here: a reply is learnt with what ends it") }
                case "chat_template": noteTemplate(value.string ?? "")
                case "message_field_training", "message_field_training_detail":
                    if !["train", "train_detail", "weight"].contains(value.string ?? "") {
                        refuseEntry(name, "is train or train_detail")
                    }
                case "drop_system_message": if value.bool == true { refuseEntry(name, "has no counterpart") }
                default: refuseEntry(name, "is not understood; take it out, or use --map")
                }
            }
            if members["data_files"] == nil { paths.append(path) }
            maps.insert(map.joined(separator: ","))
        }
        if paths.isEmpty == false {
            let option = command.key("data") != nil ? "data" : "prompts"
            set(option, .array(paths.map { .string($0) }), by: "datasets")
        }
        if maps.count > 1 {
            refuse("datasets", "columns are mapped differently: tune on one after the other, or rename them")
        } else if let map = maps.first, !map.isEmpty {
            set("map", map, by: "datasets")
        }
        if splits.count > 1 {
            refuse("datasets", "one split is read of all: \(splits.sorted().joined(separator: ", "))")
        }
        if let split = splits.first, splits.count == 1, split != "train" { set("data_split", split, by: "datasets") }
        if let template = text("chat_template") { noteTemplate(template) }
        if let tokens = take("special_tokens")?.object {
            let usual: Set = ["pad_token", "unk_token"]
            let others = tokens.filter { !usual.contains($0.key) }.map(\.key)
            if others.isEmpty {
                note("special_tokens: rows are not padded here")
            } else {
                note(
                    "special_tokens \(others.joined(separator: ", ")): the tokenizer's own are used; no token is added")
            }
        }
        if let tokens = list("eot_tokens"), !tokens.isEmpty { note("eot_tokens: what ends a turn is the tokenizer's") }
        if let size = number("val_set_size") {
            if size >= 1 {
                refuse("val_set_size", "a number of records is not understood: say a share, such as 0.05")
            } else {
                set("validation", size, by: "val_set_size")
            }
        } else {
            usual("validation", 0)
        }
        if command.key("learn") != nil {
            let all = flag("train_on_inputs") ?? false
            if all, learns.contains("replies") { refuse("train_on_inputs", "contradicts roles_to_train") }
            set("learn", all ? "all" : "replies", by: "train_on_inputs")
        } else {
            _ = take("train_on_inputs")
        }
        if let length = integer("sequence_len") { set("context_length", length, by: "sequence_len") }
        demand("excess_length_strategy", among: ["drop"], else: "say long: cut for that")
        let packs = flag("sample_packing") ?? false
        if !packs, command.name == "sft" { notePackedRows() }
        demand("group_by_length", false, else: "rows are packed, there is no padding to save: take it out")
        demand("dataset_exact_deduplication", false, else: "martlet data pack --deduplicate does it for texts")
    }

    private func noteTemplate(_ name: String) {
        switch name {
        case "tokenizer_default": break
        case "jinja":
            refuse("chat_template", "the template in the model's folder is used: put chat_template.jinja there")
        default:
            note(
                name.hasPrefix("tokenizer_default_fallback_")
                    ? "chat_template: the model's own is used; without one there is an error"
                    : "chat_template \(name): the model's own chat template is used, which it stands for")
        }
    }

    private func readAxolotlAdapter() {
        let inFour = flag("load_in_4bit") ?? false, inEight = flag("load_in_8bit") ?? false
        let saysBits = inFour || inEight
        if saysBits { demandQuantized(inFour ? 4 : 8, by: inFour ? "load_in_4bit" : "load_in_8bit") }
        demand("gptq", false, else: "the base is used as it is stored")
        let dora = flag("peft_use_dora") ?? false, stable = flag("peft_use_rslora") ?? false
        let kind = text("adapter")
        let rank = integer("lora_r"), alpha = number("lora_alpha"), share = number("lora_dropout")
        let names = list("lora_target_modules"), all = flag("lora_target_linear") ?? false
        let saved = list("lora_modules_to_save"), from = text("lora_model_dir")
        number("loraplus_lr_ratio", as: "lora_plus_ratio")
        idle("loraplus_lr_embedding", "lora_fan_in_fan_out", "lora_on_cpu")
        switch kind {
        case nil:
            if let modules = list("unfrozen_parameters"), !modules.isEmpty {
                set("adapter", "freeze", by: "unfrozen_parameters")
                // Expressions of whole names: the parts between dots that are plain words are what is matched here.
                set(
                    "trained",
                    modules.map { $0.replacing("^", with: "").replacing("$", with: "").replacing("\\", with: "") }
                        .joined(separator: ","), by: "unfrozen_parameters")
            }
            if rank != nil { note("lora_…: without effect, adapter is not set") }
        case "lora"?, "qlora"?:
            guard command.key("adapter") != nil else {
                return refuse("adapter", "martlet \(command.name) tunes the model itself: take it out")
            }
            if kind == "qlora", !saysBits { demandQuantized(4, by: "adapter") }
            if dora && stable { refuse("peft_use_dora", "an adapter is one of lora, rslora and dora: leave one") }
            set("adapter", dora ? "dora" : stable ? "rslora" : "lora", by: "adapter")
            if let rank { set("rank", rank, by: "lora_r") }
            if let alpha { set("alpha", alpha, by: "lora_alpha") }
            if let share { set("adapter_dropout", share, by: "lora_dropout") }
            if all {
                set("targets", "all-linear", by: "lora_target_linear")
            } else if let names, !names.isEmpty {
                setTargets(names, by: "lora_target_modules")
            }
            if let saved, !saved.isEmpty {
                set("modules_to_save", saved.joined(separator: ","), by: "lora_modules_to_save")
            }
            if let from { set("adapter_from", from, by: "lora_model_dir") }
            if let layers = take("lora_layers_to_transform")?.array?.compactMap(\.integer), !layers.isEmpty {
                set("adapter_layers", layers.map(String.init).joined(separator: ","), by: "lora_layers_to_transform")
            }
        case let other?: refuse("adapter", "\(other.quoted()) is none of lora and qlora")
        }
    }

    private func readAxolotlSteps() {
        text("output_dir", as: "out")
        usual("out", "model-out")
        let each = integer("micro_batch_size") ?? 1, passes = integer("gradient_accumulation_steps") ?? 1
        if let whole = integer("batch_size") {
            set("batch_rows", whole, by: "batch_size")
        } else if command.key("batch_rows") != nil {
            set("batch_rows", each.multiplied(clampedBy: passes), by: "micro_batch_size")
        } else {
            set("problems", each.multiplied(clampedBy: passes), by: "micro_batch_size")
        }
        if passes > 1 { set("micro_batches", passes, by: "gradient_accumulation_steps") }
        if let steps = integer("max_steps"), steps > 0 {
            set("steps", steps, by: "max_steps")
            _ = take("num_epochs")
        } else if let epochs = number("num_epochs") {
            set("epochs", epochs, by: "num_epochs")
        } else {
            usual("epochs", 1)
        }
        integer("seed", as: "seed")
        usual("seed", 42)
        switch take("gradient_checkpointing") {
        case .bool(true)?, .string("true")?, .string("unsloth")?, .string("offload")?:
            set("recompute", "layers", by: "gradient_checkpointing")
        default: break
        }
        demand(
            "resume_from_checkpoint", among: ["false", "none", ""],
            else: "a run goes on by martlet \(command.name) … --out RUN --resume auto")
        demand("auto_resume_from_checkpoints", false, else: "say --resume auto")
        number("neftune_noise_alpha", as: "neftune_alpha")
    }

    private func readAxolotlRate() {
        number("learning_rate", as: "learning_rate")
        let name = text("optimizer")
        readOptimizer(name == nil ? nil : name, key: "optimizer")
        number("weight_decay", as: "weight_decay")
        number("adam_beta1", as: "beta1")
        number("adam_beta2", as: "beta2")
        number("adam_epsilon", as: "epsilon")
        number("max_grad_norm", as: "clip")
        usual("weight_decay", 0)
        usual("beta2", 0.999)
        demand("optim_args", among: [], else: "say weight_decay, adam_beta1 and the like")
        switch text("lr_scheduler") ?? "cosine" {
        case "cosine":
            set("schedule", "cosine", by: "lr_scheduler")
            number("cosine_min_lr_ratio", as: "final_rate")
        case "linear": set("schedule", "linear", by: "lr_scheduler")
        case "constant", "constant_with_warmup": set("schedule", "constant", by: "lr_scheduler")
        case "inverse_sqrt": set("schedule", "inverse-square-root", by: "lr_scheduler")
        case "warmup_stable_decay": set("schedule", "wsd", by: "lr_scheduler")
        case let other:
            refuse(
                "lr_scheduler",
                "there is no schedule \(other.quoted()); there are cosine, linear, constant, inverse_sqrt, warmup_stable_decay"
            )
        }
        usual("final_rate", 0)
        if let steps = integer("warmup_steps"), steps > 0 {
            set("warmup", steps, by: "warmup_steps")
            _ = take("warmup_ratio")
        } else if let share = number("warmup_ratio"), share > 0 {
            set("warmup_share", share, by: "warmup_ratio")
        } else {
            usual("warmup", 0)
        }
    }

    private func readAxolotlIntervals() {
        integer("logging_steps", as: "log_every")
        func interval(_ perEpoch: String, _ steps: String, _ strategy: String, _ option: String, _ shares: String) {
            let name = text(strategy)
            if let count = number(perEpoch), count > 0 {
                set(shares, count, by: perEpoch)
            } else if let count = integer(steps), count > 0 {
                set(option, count, by: steps)
            } else if name == "epoch" {
                set(shares, 1, by: strategy)
            } else if let name, !["no", "steps"].contains(name) {
                refuse(strategy, "\(name.quoted()) is not understood: steps, epoch or no")
            }
        }
        interval("evals_per_epoch", "eval_steps", "eval_strategy", "evaluate_every", "evaluations_per_epoch")
        interval("saves_per_epoch", "save_steps", "save_strategy", "save_every", "saves_per_epoch")
        integer("save_total_limit", as: "keep")
        integer("early_stopping_patience", as: "patience")
        if flag("load_best_model_at_end") == true { set("keep_best", true, by: "load_best_model_at_end") }
        demand("eval_table_size", among: ["0"], else: "no replies are written at evaluations: take it out")
    }
}
