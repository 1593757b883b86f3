import MartletData

/// Conversations to learn from: which records are read, by which columns, and what becomes of those that do not fit.
public struct ConversationOptions: Sendable, Equatable {
    public internal(set) var data: [String] = []
    public internal(set) var field: String?
    public internal(set) var map: String?
    public internal(set) var badRecords = BadRecordPolicy.stop
    public internal(set) var split = "train"
    public internal(set) var subset: String?
    /// Of conversations that have none of their own.
    public internal(set) var system: String?
    /// LLaMA-Factory's description of files, whose names `data` may give.
    public internal(set) var datasetInfo: String?
    public internal(set) var long = LongConversations.drop
    public internal(set) var learnt = LearntMessages.replies
    public internal(set) var thinking = ThinkingReplies.keep
    /// The most records of a file.
    public internal(set) var mostRecords: Int?
    /// A chat template in place of the model's: a file, or its text.
    public internal(set) var template: String?
    /// The share kept for validation; from 1 on, how many.
    public internal(set) var validation: Double?
    /// Which of the shares, for cross-validation.
    public internal(set) var validationFold = 0

    /// How their files are read.
    public func corpus() throws -> CorpusOptions {
        var options = CorpusOptions()
        options.field = field
        if let map { options.columns = try ColumnMap(map) }
        options.badRecords = badRecords
        options.split = split
        options.subset = subset
        options.system = system
        options.largestCount = mostRecords
        if let datasetInfo { options.datasets = try DatasetInfo(path: datasetInfo) }
        return options
    }
}

extension LongConversations: OptionValue {}
extension LearntMessages: OptionValue {}
extension ThinkingReplies: OptionValue {}
extension BadRecordPolicy: OptionValue {}

extension OptionKey {
    /// The template of conversations, whatever they are learnt for.
    static let chatTemplate = OptionKey.option(
        "chat_template", optional: \.chat.template, .text,
        "A Jinja chat template in place of the model's, a file or its text, which is saved with the model.",
        resume: .fixed, shown: true, others: "template chat_template_path", default: .none("the model's"))
}

extension OptionPart {
    /// Which records are read.
    static func recordKeys(_ meaning: String) -> [OptionKey] {
        [
            .option(
                "data", \.chat.data, .paths, meaning, resume: .free, shown: true,
                others: "dataset train_data data_dir train_file pairs", default: .none("given")),
            .option(
                "dataset_info", optional: \.chat.datasetInfo, .path,
                "LLaMA-Factory's dataset_info.json: data may name its sets.", resume: .free, shown: true,
                default: .none("the one beside a file")),
            .option(
                "field", optional: \.chat.field, .text, "The field or column that holds the text or the messages.",
                resume: .free, shown: true, others: "text_column column", default: .none("by its name")),
            .option(
                "map", optional: \.chat.map, .text,
                "Columns by what they hold, as role=column,…; roles are text, messages, prompt, context, response, "
                    + "system, tools, history, label, chosen, rejected, margin.", resume: .free, shown: true,
                default: .none("by their names")),
            .choice(
                "on_bad_record", \.chat.badRecords,
                "What becomes of a record that cannot be used. Those passed over are counted.", resume: .free,
                shown: true, default: .value(.stop)),
            .option(
                "data_split", \.chat.split, .text,
                "Of folders: train, validation, test, another split they name, or all.", resume: .free, shown: true,
                others: "split dataset_split", default: .value("train")),
            .option(
                "subset", optional: \.chat.subset, .text,
                "Of a hub repository whose README lists several: the subset.", resume: .free, shown: true,
                default: .none("the one there is")),
            .option(
                "system", optional: \.chat.system, .text,
                "The system prompt of conversations that have none of their own.",
                resume: .free, shown: true, others: "system_prompt default_system default_system_message",
                default: .none("none")),
            .option(
                "max_records", optional: \.chat.mostRecords, .integer(1...Int(Int32.max)),
                "The first so many records of each file.", resume: .free, shown: true,
                others: "max_samples num_samples limit", default: .none("all")),
        ]
    }

    static let conversations = OptionPart(
        "Conversations",
        recordKeys("Files and folders of conversations; file=0.5 for a share of the rows where there are several.") + [
            .choice(
                "long", \.chat.long,
                "Conversations longer than context_length are dropped, or cut at turns with the system prompt kept.",
                resume: .free, shown: true, others: "truncation truncate", default: .value(.drop)),
            .choice(
                "learn", \.chat.learnt,
                "What of a conversation is learnt: the assistant's replies, the last of them, or all of its text.",
                resume: .free, shown: true, others: "train_on train_on_inputs train_on_prompt mask_prompt mask_history",
                default: .value(.replies)),
            .choice(
                "thinking", \.chat.thinking,
                "Whether the thoughts of replies (reasoning_content, <think>…</think>) are learnt or left out.",
                resume: .free, shown: true, others: "enable_thinking reasoning", default: .value(.keep)),
            .option(
                "validation", optional: \.chat.validation, .number(0...1e9),
                "The share of conversations kept for validation; from 1 on, how many.", resume: .free, shown: true,
                others: "val_size test_size eval_split", default: .none("0.02, up to 0.1 where there are few")),
            .chatTemplate,
        ])
}
