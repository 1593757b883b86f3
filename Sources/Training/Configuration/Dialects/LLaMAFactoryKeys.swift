import MartletData
import MartletFormats
import MartletJSON

/// LLaMA-Factory's YAML files: `stage` says which command they are for.
extension DialectReader {
    func readLLaMAFactory() {
        model = text("model_name_or_path")
        if let key = ["train_dataset", "peft_config", "dist_config", "model_class"].first(where: has) {
            return refuseFile(
                key,
                "is of files for LLaMA-Factory's second engine (USE_V1), which are not read here: say it by the keys of the "
                    + "first, as lora_rank and dataset, or by flags of martlet \(command.name)")
        }
        readExport()
        readStage()
        let isReplies = ["grpo", "ppo"].contains(command.name)
        readLLaMAFactoryData(isReplies)
        readFinetuning()
        readLLaMAFactoryPreferences()
        if isReplies { readLLaMAFactoryReplies() }
        readTrainingArguments(rate: 5e-5, rowsOption: isReplies ? nil : "batch_rows")
        demand("split_special_tokens", false, else: "special tokens of a text are its own: take it out")
        if let steps = integer("early_stopping_steps") { set("patience", steps, by: "early_stopping_steps") }
        if flag("disable_gradient_checkpointing") == true {
            set("recompute", "none", by: "disable_gradient_checkpointing")
        }
        demand("train_from_scratch", false, else: "a new model is trained by martlet train")
        demand("compute_accuracy", true, else: "mean_token_accuracy is always told: take it out")
        demand("disable_shuffling", false, else: "the order of rows follows from the seed: it cannot be switched off")
        refuse(
            "use_llama_pro",
            next:
                "expand the model first (martlet adapters expand MODEL --blocks N --out deeper/), which tells the layers to "
                + "train, then take it out")
        refuse(
            "image_max_pixels", "image_min_pixels", "video_max_pixels", "video_min_pixels", "video_fps", "video_maxlen",
            "audio_sampling_rate", "image_do_pan_and_scan",
            next: "texts alone are learnt here: take it out, and data sets with images or films with it")
        refuse(
            "use_badam", "badam_mode", "badam_start_block", "badam_switch_mode", "badam_switch_interval",
            "badam_update_ratio", "badam_mask_mode", "badam_verbose", "mixture_of_depths", "fp8", "fp8_backend",
            "fp8_enable_fsdp_float8_all_gather", "eaft_alpha", "shift_attn", "rope_scaling",
            "use_adam_mini", "freeze_vision_tower_parameters",
            "train_mm_proj_only", "moe_aux_loss_coef", "upcast_lmhead_output", "reward_model_adapters",
            "reward_model_quantization_bit", "ref_model_adapters", "ref_model_quantization_bit", "asft_alpha",
            "use_asft_loss", "use_dft_loss", "use_eaft_loss",
            next: "has no counterpart here: take it out")
        refuse(
            "add_tokens", "add_special_tokens", "new_special_tokens", "resize_vocab",
            next: "make the model that has them first (martlet adapters add-tokens MODEL --token TEXT --out larger/), "
                + "then take it out and say trained_tokens")
        refuse(
            "eval_dataset",
            next: "held-out records are a share of these (val_size): martlet eval reads others afterwards")
        idle(
            "trust_remote_code", "cache_dir", "use_fast_tokenizer", "model_revision",
            "low_cpu_mem_usage", "flash_attn", "use_unsloth", "use_unsloth_gc", "enable_liger_kernel",
            "use_reentrant_gc",
            "upcast_layernorm", "infer_backend", "offload_folder", "use_kv_cache", "infer_dtype", "hf_hub_token",
            "ms_hub_token", "om_hub_token", "print_param_status", "streaming", "buffer_size", "overwrite_cache",
            "preprocessing_batch_size", "preprocessing_num_workers", "ignore_pad_token_for_loss", "media_dir",
            "data_shared_file_system", "eval_num_beams", "eval_on_each_dataset", "plot_loss",
            "include_effective_tokens_per_second", "use_swanlab", "swanlab_project", "swanlab_run_name",
            "use_galore_layerwise",
            "freeze_vision_tower", "freeze_multi_modal_projector", "freeze_language_model", "ray_run_name",
            "ray_num_workers", "resources_per_worker", "placement_strategy", "predict_with_generate", "tool_format",
            "fsdp_transformer_layer_cls_to_wrap", "skip_special_tokens", "tokenized_path", "use_v1_kernels",
            "tensor_model_parallel_size", "pipeline_model_parallel_size", "expert_model_parallel_size",
            "context_parallel_size", "virtual_pipeline_model_parallel_size", "sequence_parallel",
            "use_distributed_optimizer", "overlap_param_gather", "overlap_grad_reduce", "bias_activation_fusion",
            "apply_rope_fusion", "moe_grouped_gemm", "moe_token_dispatcher_type", "recompute_granularity",
            "recompute_method", "recompute_num_layers", "mixed_precision", "use_packed_sequences",
            "export_hf_on_finish")
        // Experts on the processor's cores, where all of the model is here.
        idle("use_kt")
        idle(prefixes: "kt_")
    }

    /// Files for `llamafactory-cli export`, which has no command for itself in them.
    private func readExport() {
        let keys = [
            "export_dir", "export_size", "export_device", "export_legacy_format", "export_hub_model_id",
            "export_quantization_bit", "export_quantization_dataset", "export_quantization_nsamples",
            "export_quantization_maxlen",
        ]
        guard let key = keys.first(where: has) else { return }
        let next =
            has("export_quantization_bit")
            ? "martlet quantize MODEL --method gptq --out FOLDER" : "martlet merge MODEL --adapter FOLDER --out FOLDER"
        refuseFile(key, "a file of llamafactory-cli export trains nothing: \(next) does it")
    }

    private func readStage() {
        let stage = text("stage") ?? "sft"
        switch stage {
        case "sft": demand(verb: "sft", by: "stage", "stage sft")
        case "dpo": demand(verb: "dpo", by: "stage", "stage dpo")
        case "kto":
            demand(verb: "dpo", by: "stage", "stage kto")
            if command.name == "dpo" { set("loss", "kto", by: "stage") }
        case "rm": demand(verb: "reward", by: "stage", "stage rm")
        case "ppo": demand(verb: "ppo", by: "stage", "stage ppo")
        case "pt":
            demand(verb: "sft", by: "stage", "stage pt")
            note(
                "stage pt: records of plain text are learnt whole, as many to a row as fit; martlet train reads token "
                    + "shards")
        default: refuse("stage", "\(stage.quoted()) is none of sft, dpo, kto, rm, ppo and pt")
        }
    }

    private func readLLaMAFactoryData(_ isReplies: Bool) {
        let folder = text("dataset_dir") ?? "data", names = list("dataset") ?? []
        let shares = take("interleave_probs"), strategy = text("mix_strategy") ?? "concat"
        let probabilities =
            shares?.array?.map(\.double) ?? shares?.string.map { $0.split(separator: ",").map { Double($0) } }
        let description = folder + "/dataset_info.json"
        if isReplies, let name = names.first {
            guard names.count == 1 else {
                return refuse("dataset", "martlet \(command.name) reads one file of prompts")
            }
            do throws(DataError) {
                let entry = try DatasetInfo(path: description).entry(name)
                set("prompts", entry.path, by: "dataset")
            } catch { refuse("dataset", error.description) }
        } else if !names.isEmpty {
            switch (strategy, probabilities) {
            case ("concat", nil): set("data", .array(names.map { .string($0) }), by: "dataset")
            case ("concat", _): refuse("interleave_probs", "is of mix_strategy interleave_under or interleave_over")
            case (_, let weights?) where weights.count == names.count && !weights.contains(nil):
                let texts = zip(names, weights).map { "\($0)=\(OptionKey.plain($1 ?? 1))" }
                set("data", .array(texts.map { .string($0) }), by: "dataset")
            default: refuse("mix_strategy", "\(strategy) needs interleave_probs, a number for each data set")
            }
            set("dataset_info", description, by: has("dataset_dir") ? "dataset_dir" : "dataset")
        }
        if let length = integer("cutoff_len") {
            if isReplies {
                note("cutoff_len: prompts longer than the model's context are left out; max_new_tokens is of replies")
            } else {
                set("context_length", length, by: "cutoff_len")
            }
        } else {
            usual("context_length", 2048)
        }
        if command.key("long") != nil {
            usual("long", "cut")
            note("conversations longer than cutoff_len are cut at their turns, not within them")
        }
        integer("max_samples", as: "max_records")
        if let size = number("val_size") {
            set("validation", size, by: "val_size")
        } else {
            usual("validation", 0)
        }
        demand("mask_history_reverse", false, else: "has no counterpart")
        let onPrompts = flag("train_on_prompt") ?? false, lastAlone = flag("mask_history") ?? false
        switch (onPrompts, lastAlone) {
        case (true, true): refuse("mask_history", "contradicts train_on_prompt")
        case (true, false): set("learn", "all", by: "train_on_prompt")
        case (false, true): set("learn", "last", by: "mask_history")
        case (false, false): break
        }
        if let thinks = flag("enable_thinking") {
            set("thinking", thinks ? "keep" : "drop", by: "enable_thinking")
        }
        let packs = flag("packing") ?? false, neat = flag("neat_packing") ?? false
        if packs, !neat, command.name == "sft" {
            note("packed conversations do not see each other, as neat_packing")
        } else if !packs, !neat, command.name == "sft" {
            notePackedRows()
        }
        if let template = text("template") {
            switch template {
            case "default", "alpaca", "vicuna", "fewshot", "zephyr", "belle", "xverse":
                refuse(
                    "template",
                    "\(template.quoted()) is not made here; a model's own chat template is used: put it into its folder as "
                        + "chat_template.jinja, then take the key out")
            case "empty": note("template empty: the model's own chat template is used")
            default: note("template \(template): the model's own chat template is used, which it stands for")
            }
        }
        if let system = text("default_system"), !system.isEmpty { set("system", system, by: "default_system") }
    }

    /// Rows hold several conversations here, so a batch of rows is more than one of conversations.
    func notePackedRows() {
        note(
            "rows of the batch are packed: each holds as many whole conversations as fit into context_length, so a step "
                + "learns from more of them, and an epoch has fewer steps; set batch_rows for smaller steps")
    }

    private func readFinetuning() {
        let kind = text("finetuning_type") ?? "lora"
        let rank = integer("lora_rank"), target = list("lora_target")
        switch kind {
        case "full":
            if rank != nil { note("lora_rank: without effect, finetuning_type is full") }
            if target != nil { note("lora_target: without effect, finetuning_type is full") }
            _ = take("lora_alpha")
            _ = take("lora_dropout")
            usual("adapter", "none")
        case "freeze":
            set("adapter", "freeze", by: "finetuning_type")
            let layers = integer("freeze_trainable_layers") ?? 2
            let modules = list("freeze_trainable_modules") ?? ["all"]
            let key = has("freeze_trainable_layers") ? "freeze_trainable_layers" : "finetuning_type"
            if layers > 0 {
                set("adapter_layers", "last \(layers)", by: key)
            } else {
                set("adapter_layers", "0-\(-layers - 1)", by: key)
            }
            if modules != ["all"] {
                set("trained", modules.joined(separator: ","), by: "freeze_trainable_modules")
            }
            if let extra = list("freeze_extra_modules"), !extra.isEmpty {
                refuse("freeze_extra_modules", "name them in freeze_trainable_modules: \(extra.joined(separator: ","))")
            }
        case "lora", "oft":
            readLoRA(kind, rank, target)
        default: refuse("finetuning_type", "\(kind.quoted()) is none of lora, oft, freeze and full")
        }
        for name in ["galore", "apollo"] { readProjection(name) }
        if flag("use_muon") == true { set("optimizer", "muon", by: "use_muon") }
        if let bits = integer("quantization_bit") { demandQuantized(bits, by: "quantization_bit") }
        idle(
            "quantization_method", "quantization_type", "double_quantization", "quantization_device_map",
            "bnb_4bit_quant_type")
    }

    private func readLoRA(_ kind: String, _ rank: Int?, _ target: [String]?) {
        let dora = flag("use_dora") ?? false, stable = flag("use_rslora") ?? false, pissa = flag("pissa_init") ?? false
        guard command.key("adapter") != nil else {
            return refuse(
                "finetuning_type", "martlet \(command.name) tunes the model itself: say finetuning_type: full")
        }
        switch [dora, stable, pissa].count(where: { $0 }) {
        case 0: set("adapter", kind, by: "finetuning_type")
        case 1:
            set(
                "adapter", dora ? "dora" : stable ? "rslora" : "pissa",
                by: dora ? "use_dora" : stable ? "use_rslora" : "pissa_init")
        default:
            refuse(
                "use_dora",
                "an adapter is one of lora, rslora, dora and pissa: leave one of use_dora, use_rslora, pissa_init")
        }
        idle("pissa_iter", "pissa_convert", "loraplus_lr_embedding")
        if flag("create_new_adapter") == true, has("adapter_name_or_path") {
            refuse(
                "create_new_adapter",
                "the adapter that is there is gone on with: merge it first (martlet merge) and begin with what that writes"
            )
        }
        if kind == "oft" {
            integer("oft_block_size", as: "oft_block_size")
            integer("oft_rank", as: "rank")
            if let names = list("oft_target") { setTargets(names, by: "oft_target") }
        }
        if let rank { set("rank", rank, by: "lora_rank") } else { usual("rank", 8) }
        if let alpha = number("lora_alpha"), kind == "lora" { set("alpha", alpha, by: "lora_alpha") }
        number("lora_dropout", as: "adapter_dropout")
        if let target { setTargets(target, by: "lora_target") }
        if let extra = list("additional_target"), !extra.isEmpty {
            set("modules_to_save", extra.joined(separator: ","), by: "additional_target")
        }
        number("loraplus_lr_ratio", as: "lora_plus_ratio")
        if let from = list("adapter_name_or_path"), let first = from.first {
            guard from.count == 1 else {
                return refuse(
                    "adapter_name_or_path", "one adapter is gone on with: merge the others first (martlet merge)")
            }
            set("adapter_from", first, by: "adapter_name_or_path")
        }
    }

    /// An optimiser whose state is of a space of few dimensions.
    private func readProjection(_ name: String) {
        let isUsed = flag("use_\(name)") ?? false
        let rank = integer("\(name)_rank"), interval = integer("\(name)_update_interval")
        let scale = number("\(name)_scale"), target = list("\(name)_target") ?? []
        idle("\(name)_layerwise")
        demand("\(name)_proj_type", among: ["std"], else: "the shorter side of a matrix is projected: take it out")
        if name == "apollo" {
            demand("apollo_proj", among: ["random"], else: "the projection is drawn: take it out")
            // The limit is one of growth, which a factor does not change.
            idle("apollo_scale_front")
            let usual = rank == 1 ? "tensor" : "channel"
            demand("apollo_scale_type", among: [usual], else: "is \(usual) with a rank of \(rank ?? 16): take it out")
        }
        guard isUsed else { return }
        set("optimizer", name, by: "use_\(name)")
        set("projection_rank", rank ?? 16, by: rank == nil ? "use_\(name)" : "\(name)_rank")
        if let interval { set("projection_interval", interval, by: "\(name)_update_interval") }
        set(
            "projection_scale", scale ?? (name == "galore" ? 2 : 32), by: scale == nil ? "use_\(name)" : "\(name)_scale"
        )
        if !target.isEmpty, target != ["all"] {
            note("\(name)_target: every matrix of the layers is projected, as all does")
        }
    }

    /// "all", names, or names with "all" among them.
    func setTargets(_ names: [String], by key: String) {
        let all: Set = ["all", "all-linear", "all_linear"]
        set("targets", names.contains(where: all.contains) ? "all-linear" : names.joined(separator: ","), by: key)
    }

    /// A base of few bits, which is a matter of its file here.
    func demandQuantized(_ bits: Int, by key: String) {
        guard !isQuantized() else { return note("\(key): the base stays as its file has it") }
        refuse(
            key,
            "the base is used as it is stored: martlet quantize MODEL --type \(bits >= 8 ? "q8_0" : "q4_k_m") --out base.gguf "
                + "once, then give base.gguf as the model")
    }

    private func readLLaMAFactoryPreferences() {
        number("pref_beta", as: "beta")
        if let weight = number("pref_ftx"), weight != 0 { set("sft_weight", weight, by: "pref_ftx") }
        if let loss = text("pref_loss") {
            let known = ["sigmoid", "hinge", "ipo", "kto_pair", "orpo", "simpo"]
            if loss == "kto_pair" {
                refuse("pref_loss", "kto_pair was taken out of TRL: use stage kto with judged replies")
            } else if known.contains(loss) {
                set("loss", loss, by: "pref_loss")
            } else {
                refuse("pref_loss", "\(loss.quoted()) is none of \(known.joined(separator: ", "))")
            }
        }
        number("dpo_label_smoothing", as: "label_smoothing")
        number("kto_chosen_weight", as: "desirable_weight")
        number("kto_rejected_weight", as: "undesirable_weight")
        number("simpo_gamma", as: "simpo_margin")
        number("ld_alpha", as: "tail_weight")
        text("ref_model", as: "reference")
    }

    private func readLLaMAFactoryReplies() {
        text("reward_model", as: "reward")
        demand("reward_model_type", among: ["full", "lora"], else: "a reward model is a folder here")
        integer("max_new_tokens", as: "maximum_tokens")
        usual("maximum_tokens", 1024)
        number("temperature", as: "temperature")
        usual("temperature", 0.95)
        demandWholeDistribution()
        demand("do_sample", true, else: "replies are drawn: greedy ones have nothing to compare")
        demand("num_beams", among: ["1"], else: "replies are drawn, not searched for")
        integer("ppo_epochs", as: "updates")
        number("ppo_target", as: "kl_target")
        usual("kl_target", 6)
        usual("kl_weight", 0.2)
        demand("ppo_score_norm", false, else: "rewards are used as they are")
        demand("ppo_whiten_rewards", false, else: "advantages are whitened, rewards are not")
        let buffer = integer("ppo_buffer_size") ?? 1
        readRolloutBatch = { [unowned self] each, passes, key in
            set("problems", each.multiplied(clampedBy: passes).multiplied(clampedBy: buffer), by: key)
        }
    }

    /// Probabilities of training are those of drawing only where nothing was cut off.
    func demandWholeDistribution() {
        if let share = number("top_p"), share != 1 {
            refuse(
                "top_p", "replies are drawn from the whole distribution, whose probabilities are trained: take it out")
        }
        if let count = integer("top_k"), count > 0 {
            refuse(
                "top_k", "replies are drawn from the whole distribution, whose probabilities are trained: take it out")
        }
        if let share = number("min_p"), share > 0 {
            refuse(
                "min_p", "replies are drawn from the whole distribution, whose probabilities are trained: take it out")
        }
        if let penalty = number("repetition_penalty"), penalty != 1 {
            refuse("repetition_penalty", "changes what is drawn against what is trained: take it out")
        }
    }
}
