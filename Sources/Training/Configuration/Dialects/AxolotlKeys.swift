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
        if let system = text("default_system_message"), !system.isEmpty {
            set("system", system, by: "default_system_message")
        }
        readAxolotlIntervals()
        readAxolotlPlugins()
        demand("shuffle_merged_datasets", true, else: "rows are always drawn in an order that follows from the seed")
        demand(
            "num_labels", among: isOfSteps ? ["1", "2"] : ["1"],
            else: "a reward model gives one number, and one for each step of a reply where records have steps")
        refuse(
            "reinit_weights", next: "new weights are trained by martlet train: take it out to go on from the model's")
        refuse("use_eaft", "eaft_alpha", "eaft_k", next: "the loss is that of the next token: take it out")
        noteUnread("eta_min", "cosine_min_lr_ratio, eta_min / learning_rate")
        for key in ["model_config", "overrides_of_model_config"] {
            guard let members = take(key)?.object else { continue }
            if members["output_router_logits"]?.bool == true {
                refuse(
                    key,
                    "output_router_logits adds the load-balancing loss, which is an option here: take it out, and say "
                        + "--set load_balance=0.02, or what config.json has as router_aux_loss_coef")
            }
            if let other = members.keys.first(where: { $0 != "output_router_logits" && $0 != "use_cache" }) {
                refuse(key, "\(other.quoted()) is the model's own: change its config.json, then take it out")
            }
        }
        readAxolotlRounding()
        refuse(
            "peft_init_lora_weights", "relora", "relora_steps", "relora_prune_ratio", "jagged_restart_steps",
            "jagged_restart_warmup_steps", "jagged_restart_anneal_steps", "s2_attention",
            "added_tokens_overrides", "datasets_shuffle_seed",
            "curriculum_sampling", "sample_packing_sequentially", "kd_trainer", "peft_layer_replication", "lr_groups",
            "embedding_lr", "embedding_lr_scale", "trl", "diffusion", "ebft", "lisa_n_layers", "lisa_step_interval",
            "lisa_layers_attribute", "llmcompressor",
            next: "has no counterpart here: take it out")
        refuse("min_sample_len", next: "short records are learnt too: take them out of the file, then the key")
        refuse(
            "test_datasets",
            next: "held-out records are a share of these (val_set_size): martlet eval reads others afterwards")
        if let template = text("chat_template_jinja"), !template.isEmpty {
            set("chat_template", template, by: "chat_template_jinja")
        }
        refuse(
            "tokens",
            next: "make the model that has them first (martlet adapters add-tokens MODEL --token TEXT --out larger/), "
                + "then take it out and say trained_tokens")
        refuse(
            "peft",
            next:
                "an adapter that makes up for few bits is begun by --adapter loftq --original MODEL on a quantised base: "
                + "take it out")
        refuse("lr_quadratic_warmup", next: "the rate rises along a line: take it out")
        noteUnread("adam_eps", "adam_epsilon")
        // Nothing at 0, where axolotl reads past it too.
        demand("cosine_constant_lr_ratio", among: ["0", "0.0"], else: "the cosine goes to the last step: take it out")
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
            "resize_token_embeddings_to_32x", "bnb_config_kwargs", "gpu_memory_limit", "llama4_linearized_experts",
            "model_quantization_config", "model_quantization_config_kwargs", "quantize_moe_experts",
            "tokenizer_use_mistral_common", "processor_type", "skip_prepare_dataset", "activation_offloading",
            "layer_offloading", "ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_broadcast_buffers",
            "accelerator_config", "dp_replicate_size", "expert_parallel_size", "experts_implementation",
            "experimental_skip_move_to_device", "flex_attn_compile_kwargs", "fused_attn_kernel", "cut_cross_entropy",
            "chunked_cross_entropy", "tiled_mlp", "tiled_mlp_num_shards", "tiled_mlp_use_original_mlp",
            "torch_compile_mode", "torch_compile_backend", "torch_dtype", "use_wandb", "use_ray", "ray_num_workers",
            "ray_run_name", "resources_per_worker", "revision_of_model", "gptq_disable_exllama", "vllm",
            "include_tkps", "save_first_step", "use_kernels", "cls_model_config", "freeze_mm_modules", "full_finetune",
            "streaming", "streaming_multipack_buffer_size", "pretrain_multipack_attn",
            "pretrain_multipack_buffer_size", "eval_table_size", "do_causal_lm_eval", "relora_cpu_offload",
            "flash_optimum", "base_model_ignore_patterns", "fp8", "fp8_enable_fsdp_float8_all_gather",
            "use_dsv4_kernels", "dsv4_fp4_grouped_mode", "use_glm_dsa_kernels", "gemma4_hybrid_attn_impl",
            "nvfp4_merge_aware")
        idle(
            prefixes: "liger_", "swanlab_", "use_swanlab", "use_otel", "otel_", "trackio_", "use_trackio", "comet_",
            "use_comet",
            "mlflow_", "use_mlflow", "wandb_", "use_scattermoe", "use_sonicmoe", "expert_parallel_")
    }

    /// A key that its own program passes over, so that a run is the same without it.
    private func noteUnread(_ key: String, _ meant: String) {
        guard take(key) != nil else { return }
        note("\(key): axolotl does not read it, so it has no effect here either; what has one is \(meant)")
    }

    /// Plugins of kernels, which give the same numbers, and others, which do not.
    private func readAxolotlPlugins() {
        let kernels: Set = ["liger", "cut_cross_entropy", "kernels", "expert_parallel", "swanlab"]
        let elsewhere = [
            "kd": "distil by martlet distill", "lm_eval": "evaluate by martlet eval afterwards",
            "llm_compressor": "quantise by martlet quantize afterwards",
        ]
        for name in list("plugins") ?? [] {
            let parts = name.split(separator: ".").map(String.init)
            // "axolotl.integrations.liger.LigerPlugin"
            let kind = parts.count > 2 ? parts[2] : name
            guard !kernels.contains(kind) else {
                note("plugins: \(kind) is how axolotl computes or reports, and changes nothing here")
                continue
            }
            refuse("plugins", "\(name.quoted()): \(elsewhere[kind] ?? "has no counterpart here"): take it out")
        }
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
            isOfSteps = key == "process_reward_model"
        }
        if has("dpo_loss_type") || has("dpo_loss_weights") { readLosses("dpo_loss_type", "dpo_loss_weights") }
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
        idle("precompute_ref_log_probs", "dpo_use_logits_to_keep", "dpo_padding_free")
        // What its section for grpo says, TRL says as keys of the file.
        if command.name == "grpo" {
            open("trl")
            readTRLGroups()
            idle(
                "use_vllm", "vllm_mode", "log_completions", "num_completions_to_print", "use_liger_loss",
                "generation_batch_size", "reward_num_workers")
            idle(prefixes: "vllm_")
            demand("sync_ref_model", false, else: "the reference stays as it is: take it out")
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
        let joined = list("lora_target_parameters") ?? []
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
            idle("lora_layers_to_transform", "peft_autocast_adapter_dtype")
        case "lora"?, "qlora"?:
            refuse("unfrozen_parameters", next: "is of whole models, and the file has an adapter: take one of them out")
            guard command.key("adapter") != nil else {
                return refuse("adapter", "martlet \(command.name) tunes the model itself: take it out")
            }
            if kind == "qlora", !saysBits { demandQuantized(4, by: "adapter") }
            if dora && stable { refuse("peft_use_dora", "an adapter is one of lora, rslora and dora: leave one") }
            set("adapter", dora ? "dora" : stable ? "rslora" : "lora", by: "adapter")
            if let rank { set("rank", rank, by: "lora_r") }
            if let alpha { set("alpha", alpha, by: "lora_alpha") }
            if let share { set("adapter_dropout", share, by: "lora_dropout") }
            if all || !joined.isEmpty {
                let key = all ? "lora_target_linear" : "lora_target_parameters"
                setTargets(all ? ["all-linear"] : names ?? [], withExperts: joined, by: key)
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
        } else if let readRolloutBatch {
            readRolloutBatch(each, passes, "micro_batch_size")
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
        if flag("auto_resume_from_checkpoints") == true {
            note("auto_resume_from_checkpoints: a run that was broken off goes on with --resume auto")
        }
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
        let schedule = text("lr_scheduler") ?? "cosine"
        switch schedule {
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
        // transformers' schedule of that name.
        guard schedule != "constant" else { return readNoWarmup("lr_scheduler") }
        guard !has("warmup_steps"), !has("warmup_ratio") else { return readWarmup() }
        // What axolotl takes where nothing is said: three in a hundred steps, a hundred at most.
        if let steps = value(of: "steps")?.integer {
            usual("warmup", .integer(Int64(min(steps * 3 / 100, 100))))
        } else {
            usual("warmup_share", 0.03)
        }
    }

    /// Training whose weights are rounded: torchao's of axolotl's section `qat`, and BitNet's.
    private func readAxolotlRounding() {
        if flag("use_onebitllms") == true {
            set("qat", "ternary", by: "use_onebitllms")
            set("qat_activations", "int8", by: "use_onebitllms")
            // Masters are float32; what is computed is rounded already.
            if isSet("precision") { set("precision", "fp32", by: "use_onebitllms") }
        }
        guard let value = take("qat") else { return }
        guard let members = value.object else { return refuse("qat", "is no section of keys") }
        for (name, value) in members where !value.isNull {
            switch (name, value.string) {
            case ("weight_dtype", "int8"?), ("weight_dtype", "int4"?): set("qat", value, by: "qat")
            case ("activation_dtype", "int8"?): set("qat_activations", "int8", by: "qat")
            case ("weight_dtype", let type), ("activation_dtype", let type):
                refuse("qat", "\(name) \(type ?? value.text()): weights are rounded to int8 or int4, inputs to int8")
            case ("group_size", _):
                guard let size = value.integer else { return refuse("qat", "group_size is no number") }
                set("qat_group", size, by: "qat")
            case ("fake_quant_after_n_steps", _) where value.integer == 0: break
            case ("fake_quant_after_n_steps", _):
                refuse("qat", "fake_quant_after_n_steps: rounding begins with the first step: take it out")
            case ("quantize_embedding", _) where value.bool == false: break
            case ("quantize_embedding", _):
                refuse("qat", "quantize_embedding: the layers' matrices are rounded, the embedding is not: take it out")
            default: refuse("qat", "\(name) is not understood; take it out")
            }
        }
        if isSet("precision") { set("precision", "fp32", by: "qat") }
    }

    private func readAxolotlIntervals() {
        integer("logging_steps", as: "log_every")
        func interval(_ perEpoch: String, _ steps: String, _ strategy: String, _ option: String, _ shares: String) {
            let name = text(strategy) ?? (strategy == "eval_strategy" ? text("evaluation_strategy") : nil)
            if let count = number(perEpoch), count > 0 {
                set(shares, count, by: perEpoch)
            } else if let count = integer(steps), count > 0 {
                set(option, count, by: steps)
            } else if name == "epoch" {
                set(shares, 1, by: strategy)
            } else if name == "best" {
                set("keep_best", true, by: strategy)
            } else if let name, !["no", "steps"].contains(name) {
                refuse(strategy, "\(name.quoted()) is not understood: steps, epoch, best or no")
            }
        }
        interval("evals_per_epoch", "eval_steps", "eval_strategy", "evaluate_every", "evaluations_per_epoch")
        interval("saves_per_epoch", "save_steps", "save_strategy", "save_every", "saves_per_epoch")
        integer("save_total_limit", as: "keep")
        integer("early_stopping_patience", as: "patience")
        if flag("load_best_model_at_end") == true { set("keep_best", true, by: "load_best_model_at_end") }
    }
}
