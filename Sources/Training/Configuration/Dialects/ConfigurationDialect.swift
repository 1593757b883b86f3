import MartletJSON
import MartletSystem

/// Configuration files of other programs that tune models, which `--config` takes as they are.
///
/// Every key is either translated into options of the run, known to change nothing here, or refused by name with what to do
/// instead; none is passed over. What such a file does not say is what its own program would take, so that it gives the same
/// run.
///
/// ```swift
/// var options = TrainingOptions(for: .tuning)
/// let file: JSON = ["stage": "sft", "lora_rank": 8]         // of a file, with its comments and lines
/// if let dialect = ConfigurationDialect.recognised(file, for: .tuning) {
///     let read = try dialect.translated(file, path: "llama3.yaml", for: .tuning)
///     try options.set(read)                                // rank 8, from "llama3.yaml, line 9: lora_rank"
/// }
/// ```
public enum ConfigurationDialect: String, Sendable, CaseIterable {
    case llamaFactory = "LLaMA-Factory"
    case axolotl
    case mlx = "mlx-lm"
    case trl = "TRL"

    /// Keys that no other of them has, nor this program.
    private var ownKeys: Set<String> {
        switch self {
        case .llamaFactory:
            [
                "stage", "finetuning_type", "template", "cutoff_len", "lora_rank", "lora_target", "dataset_dir",
                "do_train",
                "overwrite_cache", "preprocessing_num_workers", "plot_loss", "neat_packing", "pref_loss", "pref_beta",
                "quantization_bit", "pissa_init", "train_on_prompt", "mask_history",
                "freeze_trainable_layers", "mix_strategy", "pref_ftx", "train_dataset", "model_class", "dist_config",
                "peft_config", "export_dir",
            ]
        case .axolotl:
            [
                "base_model", "datasets", "sequence_len", "micro_batch_size", "lora_target_linear", "sample_packing",
                "flash_attention", "rl", "num_epochs", "train_on_inputs", "val_set_size", "evals_per_epoch",
                "saves_per_epoch", "pad_to_sequence_len", "chat_template", "strict", "dataset_prepared_path", "adapter",
                "special_tokens", "wandb_project",
            ]
        case .mlx:
            [
                "fine_tune_type", "iters", "lora_parameters", "adapter_path", "steps_per_report", "steps_per_eval",
                "mask_prompt", "grad_checkpoint", "resume_adapter_file", "val_batches", "lr_schedule", "test_batches",
                "num_layers", "grad_accumulation_steps",
            ]
        case .trl:
            [
                "dataset_name", "use_peft", "attn_implementation", "dataset_train_split", "dataset_test_split",
                "max_prompt_length", "max_completion_length", "num_generations", "lora_target_modules",
                "packing_strategy", "assistant_only_loss", "completion_only_loss", "load_in_4bit", "lora_task_type",
                "dataset_num_proc", "reward_model_path", "sft_model_path", "precompute_ref_log_probs",
                "dataset_text_field", "lora_r", "response_length", "num_ppo_epochs", "use_vllm", "dataset_mixture",
                "dataset_mixer", "hub_model_revision",
            ]
        }
    }

    /// Names that are options here and keys there, with the same meaning or another: they tell nothing.
    private static let shared: Set = [
        "data", "seed", "adapter", "learning_rate", "weight_decay", "optimizer", "save_every", "loss", "beta",
        "label_smoothing", "temperature", "schedule", "epsilon", "reference_free", "desirable_weight",
        "undesirable_weight", "discopop_tau", "momentum", "field",
    ]
    /// Keys of which one is enough.
    private static let sure: Set = [
        "stage", "finetuning_type", "model_name_or_path", "base_model", "fine_tune_type", "lora_parameters",
    ]

    /// Whose file it is, by keys that one program alone has; nil for a file of this program's own options.
    public static func recognised(_ file: JSON, for command: RunCommand) -> ConfigurationDialect? {
        let keys = file.object?.keys ?? []
        let foreign = keys.filter { command.key($0) == nil }
        // An option that nobody else has: a name among the others is a mistake in a file of ours.
        guard
            foreign.contains(where: sure.contains)
                || !keys.contains(where: { command.key($0) != nil && !shared.contains($0) && !isNameElsewhere($0) })
        else {
            return nil
        }
        // By what each calls its model.
        let possible = allCases.filter { dialect in
            switch dialect {
            case .llamaFactory, .trl: !foreign.contains("base_model")
            case .axolotl: !foreign.contains("model_name_or_path")
            case .mlx: !foreign.contains("base_model") && !foreign.contains("model_name_or_path")
            }
        }
        let counts = (possible.isEmpty ? allCases : possible).map { dialect in
            let own = dialect.ownKeys
            return (dialect: dialect, count: foreign.count { own.contains($0) })
        }
        guard let best = counts.max(by: { $0.count < $1.count }),
            best.count > 1 || foreign.contains(where: sure.contains)
        else { return nil }
        // The names of transformers' arguments alone are TRL's.
        return best.count == 0 ? .trl : best.dialect
    }

    /// Whether an option has a name that a dialect has too, as `gamma` and `max_steps` would be.
    private static func isNameElsewhere(_ name: String) -> Bool { allCases.contains { $0.ownKeys.contains(name) } }

    /// The options that a file stands for.
    /// - Parameters:
    ///   - path: of the file, for errors.
    ///   - lines: on which a key stands, where known.
    ///   - isQuantized: whether the model that is begun with is stored in few bits; asked only where the file says so.
    /// - Throws: `TrainingError` naming every key that is refused, each with the next step.
    public func translated(
        _ file: JSON, path: String, lines: [String: Int] = [:], for command: RunCommand,
        isQuantized: @escaping () -> Bool = { false }
    ) throws(TrainingError) -> TranslatedConfiguration {
        guard let members = file.object else {
            throw TrainingError(.configuration, "\(path): expected keys and values, found \(file.kind)")
        }
        let reader = DialectReader(
            self, members, path: path, lines: lines, command: command, isQuantized: isQuantized)
        switch self {
        case .llamaFactory: reader.readLLaMAFactory()
        case .axolotl: reader.readAxolotl()
        case .mlx: reader.readMLX()
        case .trl: reader.readTRL()
        }
        return try reader.finished()
    }
}

/// What a file of another program says, as options of a run.
public struct TranslatedConfiguration: Sendable {
    public let dialect: ConfigurationDialect
    /// The model to begin with, where the file names one.
    public let model: String?
    /// Names, values, and who says so.
    public let settings: [(name: String, value: JSON, origin: String)]
    /// What is to be told: keys without effect here, and what is done otherwise than there.
    public let notes: [String]
}

extension TrainingOptions {
    /// Takes what a file of another program says.
    /// - Throws: `TrainingError` for a value that the option cannot have, naming the file's line and key.
    public mutating func set(_ file: TranslatedConfiguration) throws(TrainingError) {
        for setting in file.settings { try set(setting.name, setting.value, from: setting.origin) }
        if let model = file.model { startingModel = model }
    }
}
