import MartletSystem

/// Which option somebody meant who wrote another name.
extension OptionKey {
    /// By meaning where the name is one that other programs have for it, by a word it shares with an option, else by
    /// spelling.
    static func nearest(to name: String, of command: RunCommand) -> String {
        // Words as long as any name, so that a name of a megabyte takes no longer.
        let spelled = String(name.prefix(64).map { $0 == "-" || $0 == "." || $0 == " " ? "_" : $0 }).lowercased()
        let names = all.filter { $0.commands.contains(command) }.map(\.name)
        if let known = otherNames[spelled], names.contains(known) { return known }
        let words = Set(spelled.split(separator: "_").map(String.init).filter { $0.count > 2 })
        let shared = names.map { name in
            (name: name, count: name.split(separator: "_").count { words.contains(String($0)) })
        }
        // The name with most words in common, the shortest of these; but one letter wrong in a whole name comes first.
        let bySpelling = names.min { Spelling.distance($0, spelled) < Spelling.distance($1, spelled) } ?? ""
        if Spelling.distance(bySpelling, spelled) <= 2 { return bySpelling }
        let most = shared.map(\.count).max() ?? 0
        guard most > 0 else { return bySpelling }
        return shared.filter { $0.count == most }.min {
            Spelling.distance($0.name, spelled) < Spelling.distance($1.name, spelled)
        }?.name ?? bySpelling
    }

    /// What PyTorch, transformers, llm.c, nanoGPT, litgpt and llama.cpp call the options, and the usual short forms.
    private static let otherNames: [String: String] = {
        let groups = [
            ("learning_rate", "lr rate max_lr peak_lr alpha eta step_size"),
            ("final_rate", "min_lr min_learning_rate final_lr end_lr min_rate min_lr_ratio"),
            ("schedule", "lr_scheduler lr_scheduler_type scheduler lr_schedule decay_type"),
            ("warmup", "warmup_steps warmup_iters num_warmup_steps warmup_ratio warm_up"),
            ("decay", "decay_steps lr_decay_iters cooldown cooldown_steps"),
            ("weight_decay", "wd l2 lambda"),
            ("hidden_size", "hidden dim d_model n_embd embed_dim embedding_size model_dim width n_embed emb_dim"),
            ("heads", "n_head n_heads num_heads num_attention_heads attention_heads head_count"),
            ("key_value_heads", "kv_heads num_kv_heads n_kv_heads n_kv_head num_key_value_heads n_query_groups"),
            ("depth", "layers n_layer n_layers num_layers num_hidden_layers block_count blocks"),
            ("intermediate_size", "d_ff ffn ffn_dim ff_dim mlp_dim feed_forward_length n_inner feed_forward"),
            (
                "context_length",
                "context ctx n_ctx seq_len seq_length sequence_length block_size max_length max_seq_len "
                    + "max_seq_length max_position_embeddings length ctx_size"
            ),
            ("batch_rows", "batch batch_size bs rows train_batch_size per_device_train_batch_size global_batch_size b"),
            (
                "micro_batches",
                "grad_accum gradient_accumulation gradient_accumulation_steps accumulation grad_accum_steps "
                    + "micro_batch micro_batch_size accumulate"
            ),
            (
                "recompute",
                "gradient_checkpointing activation_checkpointing use_gradient_checkpointing checkpoint_activations remat"
            ),
            ("steps", "max_steps iters max_iters iterations num_steps total_steps n_steps train_steps"),
            ("epochs", "epoch num_epochs num_train_epochs n_epochs"),
            ("minutes", "time max_time time_limit hours seconds"),
            ("optimizer", "optim optimiser opt"),
            ("precision", "dtype bf16 fp16 amp torch_dtype mixed_precision type"),
            ("beta1", "b1 adam_beta1 betas beta"),
            ("beta2", "b2 adam_beta2"),
            ("epsilon", "eps adam_epsilon"),
            ("ema", "ema_decay weight_average average swa"),
            ("dropout", "drop dropout_rate p_dropout resid_dropout hidden_dropout"),
            ("attention_dropout", "attn_dropout attn_pdrop"),
            (
                "clip",
                "grad_clip max_grad_norm gradient_clip gradient_clipping clip_grad clip_norm grad_norm "
                    + "gradient_clip_val"
            ),
            ("z_loss", "zloss z_loss_weight"),
            ("label_smoothing", "smoothing label_smoothing_factor"),
            ("seed", "random_seed rng random_state"),
            ("initialization", "init initializer initialisation weight_init"),
            ("layout", "packing pack"),
            ("evaluate_every", "eval_every eval_interval eval_steps evaluation_interval eval val_interval evaluate"),
            ("evaluation_rows", "eval_rows eval_iters eval_batches eval_size val_rows"),
            ("patience", "early_stopping early_stop early_stopping_patience"),
            ("save_every", "save_steps save_interval checkpoint_every checkpoint_interval save checkpoint"),
            ("keep", "save_total_limit keep_last max_checkpoints keep_checkpoints"),
            ("keep_best", "load_best_model_at_end save_best"),
            ("log_every", "log_interval logging_steps log log_steps"),
            ("tied_embeddings", "tie tied tie_word_embeddings tie_embeddings weight_tying"),
            ("rope_theta", "theta rope rope_base rope_freq_base"),
            ("sliding_window", "window window_size attention_window"),
            ("family", "model_type arch architecture model"),
            ("out", "output output_dir out_dir run"),
            ("data", "dataset train_data data_dir"),
            ("spike_factor", "spike spikes"),
            ("group_size", "num_generations group n_samples replies generations"),
            ("maximum_tokens", "max_tokens max_new_tokens max_completion_length max_completion_tokens"),
            ("ratio_clip", "cliprange clip_range epsilon_clip clip_ratio"), ("updates", "num_iterations ppo_epochs mu"),
            ("reward", "reward_funcs reward_function rewards"),
        ]
        var names: [String: String] = [:]
        for (option, others) in groups {
            for other in others.split(separator: " ") { names[String(other)] = option }
        }
        return names
    }()
}
