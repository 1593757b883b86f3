import MartletJSON

/// The training arguments of transformers, which LLaMA-Factory and TRL take as they are.
extension DialectReader {
    /// - Parameters:
    ///   - rate, epochs, batch: what the program takes where nothing is said.
    ///   - rowsOption: the option that counts what a step learns from.
    func readTrainingArguments(
        rate: Double, epochs: Double = 3, batch: Int = 8, rowsOption: String? = "batch_rows"
    ) {
        text("output_dir", as: "out")
        readSteps(epochs: epochs)
        readBatch(usual: batch, rowsOption)
        readRate(rate)
        readOptimizer(text("optim"), key: "optim")
        number("weight_decay", as: "weight_decay")
        number("adam_beta1", as: "beta1")
        number("adam_beta2", as: "beta2")
        number("adam_epsilon", as: "epsilon")
        number("max_grad_norm", as: "clip")
        usual("weight_decay", 0)
        usual("beta2", 0.999)
        usual("clip", 1)
        integer("seed", as: "seed")
        usual("seed", 42)
        if let seed = integer("data_seed") {
            if value(of: "seed")?.integer != seed {
                refuse("data_seed", "order of data and everything else follow from one seed: take it out")
            }
        }
        readPrecision()
        if flag("gradient_checkpointing") == true { set("recompute", "layers", by: "gradient_checkpointing") }
        if let weight = number("label_smoothing_factor"), weight != 0 {
            set("label_smoothing", weight, by: "label_smoothing_factor")
        }
        if let noise = number("neftune_noise_alpha") { set("neftune_alpha", noise, by: "neftune_noise_alpha") }
        readIntervals()
        demand("do_predict", false, else: "nothing is predicted after training: use martlet eval")
        demand("do_train", true, else: "only training is done: evaluate with martlet eval")
        demand(
            "resume_from_checkpoint", among: ["false", "none"],
            else: "a run goes on by martlet \(command.name) … --out RUN --resume auto")
        if flag("push_to_hub") == true {
            note("push_to_hub: nothing is sent anywhere: upload the run's folder afterwards")
        }
        noteGroupedRows()
        demand("auto_find_batch_size", false, else: "the plan is computed before the run: set micro_batches")
        refuse(
            "layer_wise_lr", "torch_empty_cache_on_save", "debug",
            next: "has no counterpart: take it out")
        idle(
            "do_eval", "overwrite_output_dir", "logging_dir", "logging_first_step", "report_to", "run_name",
            "ddp_timeout",
            "ddp_backend", "ddp_find_unused_parameters", "ddp_bucket_cap_mb", "dataloader_num_workers",
            "dataloader_pin_memory", "dataloader_drop_last", "dataloader_prefetch_factor",
            "dataloader_persistent_workers", "remove_unused_columns", "save_safetensors", "save_only_model",
            "hub_model_id", "hub_strategy", "hub_private_repo", "hub_token", "hub_model_revision", "hub_always_push",
            "hub_revision", "overwrite_hub_revision", "push_to_hub_revision", "disable_tqdm", "torch_compile",
            "torch_compile_backend", "torch_compile_mode", "use_cpu", "no_cuda", "local_rank", "deepspeed", "fsdp",
            "fsdp_config", "full_determinism", "include_num_input_tokens_seen", "include_tokens_per_second",
            "average_tokens_across_devices", "per_device_eval_batch_size", "eval_accumulation_steps",
            "gradient_checkpointing_kwargs", "bf16_full_eval", "fp16_full_eval", "tf32", "log_level",
            "log_on_each_node",
            "skip_memory_metrics", "prediction_loss_only", "torch_empty_cache_steps", "save_on_each_node",
            "ignore_data_skip", "eval_on_start", "batch_eval_metrics", "logging_nan_inf_filter", "accelerator_config",
            "fp16_opt_level", "half_precision_backend", "eval_delay", "use_liger_kernel", "liger_kernel_config",
            "project", "trackio_space_id", "data_parallel_size")
    }

    private func readSteps(epochs: Double) {
        let most = integer("max_steps")
        if let most, most > 0 {
            set("steps", most, by: "max_steps")
            _ = take("num_train_epochs")
        } else if let epochs = number("num_train_epochs") {
            set("epochs", epochs, by: "num_train_epochs")
        } else if totalEpisodes == nil {
            usual("epochs", .number(epochs))
        }
    }

    /// Rows of a step are those of a pass on one device, times the passes.
    private func readBatch(usual batch: Int, _ option: String?) {
        let key = has("per_device_train_batch_size") ? "per_device_train_batch_size" : "gradient_accumulation_steps"
        let each = integer("per_device_train_batch_size"), passes = integer("gradient_accumulation_steps")
        guard let option else {
            readRolloutBatch?(each ?? batch, passes ?? 1, key)
            return
        }
        let rows = (each ?? batch).multipliedReportingOverflow(by: passes ?? 1)
        guard !rows.overflow else { return refuse(key, "is more than a batch can be") }
        if each != nil || passes != nil {
            set(option, rows.partialValue, by: key)
        } else {
            usual(option, .integer(Int64(batch)))
        }
        if let passes, passes > 1 { set("micro_batches", passes, by: "gradient_accumulation_steps") }
    }

    private func readRate(_ usualRate: Double) {
        number("learning_rate", as: "learning_rate")
        usual("learning_rate", .number(usualRate))
        let kind = text("lr_scheduler_type") ?? "linear", key = "lr_scheduler_type"
        let details = take("lr_scheduler_kwargs")?.object ?? [:]
        var known: Set<String> = []
        switch kind {
        case "linear", "cosine", "constant": set("schedule", kind, by: key)
        case "constant_with_warmup": set("schedule", "constant", by: key)
        case "cosine_with_restarts" where (Self.number(details["num_cycles"]) ?? 1) == 1:
            known = ["num_cycles"]
            set("schedule", "cosine", by: key)
        case "cosine_with_min_lr", "cosine_warmup_with_min_lr":
            known = ["min_lr", "min_lr_rate"]
            set("schedule", "cosine", by: key)
            let rate = value(of: "learning_rate")?.double ?? usualRate
            if let share = Self.number(details["min_lr_rate"]) ?? Self.number(details["min_lr"]).map({ $0 / rate }) {
                set("final_rate", share, by: "lr_scheduler_kwargs")
            }
        case "inverse_sqrt": set("schedule", "inverse-square-root", by: key)
        case "warmup_stable_decay":
            known = ["num_decay_steps", "decay_type", "min_lr_ratio"]
            set("schedule", "wsd", by: key)
            // transformers goes down along a cosine unless told otherwise.
            let form = details["decay_type"]?.string ?? "cosine"
            if form != "linear" {
                note("\(key) \(kind): the last part goes down along a line, not a \(form)")
            }
            if let steps = details["num_decay_steps"]?.integer { set("decay", steps, by: "lr_scheduler_kwargs") }
            if let share = Self.number(details["min_lr_ratio"]) { set("final_rate", share, by: "lr_scheduler_kwargs") }
        default:
            refuse(
                key,
                "there is no schedule \(kind.quoted()); there are linear, cosine, cosine_with_min_lr, constant, "
                    + "constant_with_warmup, inverse_sqrt and warmup_stable_decay")
        }
        if let other = details.keys.first(where: { !known.contains($0) }) {
            refuse("lr_scheduler_kwargs", "\(other.quoted()) is not understood of \(kind)")
        }
        usual("final_rate", 0)
        if kind == "constant" { readNoWarmup(key) } else { readWarmup() }
    }

    /// transformers' schedule `constant`, which has its rate from the first step on.
    func readNoWarmup(_ key: String) {
        let steps = number("warmup_steps") ?? 0, share = number("warmup_ratio") ?? 0
        if steps > 0 || share > 0 {
            note("\(key) constant has no warm-up, whatever the file says of one: constant_with_warmup has")
        }
        usual("warmup", 0)
    }

    /// Rows of one length are put together to save padding, of which packed rows have none.
    func noteGroupedRows() {
        if flag("group_by_length") == true { note("group_by_length: rows are packed, there is no padding to save") }
    }

    func readWarmup() {
        if let steps = number("warmup_steps"), steps > 0 {
            // A number below 1 is a share, as transformers 5 reads it.
            if steps < 1 {
                set("warmup_share", steps, by: "warmup_steps")
            } else {
                set("warmup", Int(steps.rounded(.up)), by: "warmup_steps")
            }
            _ = take("warmup_ratio")
        } else if let share = number("warmup_ratio"), share > 0 {
            set("warmup_share", share, by: "warmup_ratio")
        } else {
            usual("warmup", 0)
        }
    }

    /// - Parameter name: as transformers, axolotl and others spell it.
    func readOptimizer(_ name: String?, key: String) {
        guard let name else { return usual("optimizer", "adamw") }
        let eightBit = ["adamw8bit", "adamw_8bit", "adamw-8bit"].first {
            command.key("optimizer")?.choices.contains($0) ?? false
        }
        switch name {
        case "adamw_torch", "adamw_torch_fused", "adamw_hf", "adamw_apex_fused", "adamw", "paged_adamw",
            "paged_adamw_32bit", "adamw_torch_xla":
            set("optimizer", "adamw", by: key)
        case "adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit", "adamw_torch_8bit", "adamw_torch_4bit":
            set("optimizer", eightBit ?? "adamw", by: key)
            if eightBit == nil { note("\(key) \(name): the optimiser's state is kept in float32") }
        case "adam": set("optimizer", "adam", by: key)
        case "sgd":
            set("optimizer", "sgd", by: key)
            usual("momentum", 0)
            usual("nesterov", false)
        case "adafactor", "rmsprop", "muon": set("optimizer", name, by: key)
        case "lion", "lion_32bit", "lion_8bit", "paged_lion_32bit", "paged_lion_8bit", "lion_pytorch":
            set("optimizer", "lion", by: key)
        default:
            let choices = command.key("optimizer")?.choices ?? []
            refuse(key, "there is no optimiser \(name.quoted()); there are \(choices.joined(separator: ", "))")
        }
    }

    /// bf16 and fp16 round matrices around float32 masters, as automatic mixed precision does.
    func readPrecision() {
        let brain = take("bf16"), half = take("fp16")
        func isOn(_ value: JSON?) -> Bool { value?.bool ?? ["auto", "true", "full"].contains(value?.string ?? "") }
        if isOn(brain) {
            set("precision", "bf16", by: "bf16")
        } else if isOn(half) {
            set("precision", "fp16", by: "fp16")
        }
        if flag("pure_bf16") == true {
            set("precision", "bf16", by: "pure_bf16")
            note("pure_bf16: matrices are rounded to bf16 in every product, and kept in float32 beside them")
        }
    }

    /// When a run is logged, saved and evaluated.
    private func readIntervals() {
        if let steps = number("logging_steps") {
            if steps >= 1 {
                set("log_every", Int(steps), by: "logging_steps")
            } else {
                refuse("logging_steps", "shares are not understood: say a number of steps")
            }
        }
        demand("logging_strategy", among: ["steps"], else: "lines of the log go by steps: say logging_steps")
        func interval(
            _ strategyKeys: [String], _ stepsKey: String, _ option: String, _ perEpoch: String, _ none: String
        ) {
            let key = strategyKeys.first(where: has) ?? strategyKeys[0]
            let strategy = strategyKeys.compactMap { text($0) }.first
            let steps = number(stepsKey)
            func setShare(_ share: Double) {
                // A share of all steps, as of a whole run.
                if let all = value(of: "steps")?.integer {
                    set(option, max(1, Int((Double(all) * share).rounded(.up))), by: stepsKey)
                } else if let epochs = value(of: "epochs")?.double, epochs > 0, command.key(perEpoch) != nil {
                    set(perEpoch, 1 / (share * epochs), by: stepsKey)
                } else {
                    refuse(stepsKey, "is a share of steps that are not known: say a number of steps")
                }
            }
            switch strategy {
            case "epoch" where command.key(perEpoch) == nil:
                note("\(key) epoch: martlet \(command.name) counts steps, and does it every \(option) of them")
            case "epoch": set(perEpoch, 1, by: key)
            case "no", "false", "False": note(none)
            case nil, "steps":
                guard let steps, strategy != nil || option == "save_every" || steps > 0 else { return }
                if steps >= 1 {
                    set(option, Int(steps), by: stepsKey)
                } else if steps > 0 {
                    setShare(steps)
                }
            case "best": set("keep_best", true, by: key)
            default: refuse(key, "\(strategy?.quoted() ?? "") is not understood: steps, epoch or no")
            }
        }
        interval(
            ["save_strategy"], "save_steps", "save_every", "saves_per_epoch",
            "save_strategy no: checkpoints are saved all the same, so that the run can go on; --keep says how many stay"
        )
        interval(
            ["eval_strategy", "evaluation_strategy"], "eval_steps", "evaluate_every", "evaluations_per_epoch",
            "eval_strategy no: held-out rows are still looked at where there are any (validation)")
        integer("save_total_limit", as: "keep")
        if flag("load_best_model_at_end") == true { set("keep_best", true, by: "load_best_model_at_end") }
        demand(
            "metric_for_best_model", among: ["loss", "eval_loss"],
            else: "the best checkpoint is the one of the lowest loss")
        demand("greater_is_better", false, else: "the best checkpoint is the one of the lowest loss")
        if let patience = integer("early_stopping_patience") {
            set("patience", patience, by: "early_stopping_patience")
        }
    }
}
