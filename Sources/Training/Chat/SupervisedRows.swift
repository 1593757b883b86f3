import MartletData
import MartletFormats

/// Conversations as the shards of tokens that a run of `martlet sft` learns.
///
/// ```swift
/// try SupervisedRows.pack(model, options, into: "run/data")
/// let trainer = try Trainer(run: "run", options: options, data: TrainingData([DataPortion("run/data")]), from: model)
/// ```
public enum SupervisedRows {
    /// Packs the files that the options name, or those given.
    /// - Parameters:
    ///   - options: of `RunCommand.tuning`.
    ///   - paths: in place of the options' `data`.
    ///   - prepare: sees the corpus before it is read.
    ///   - isInterrupted: asked now and then; true ends it without a folder.
    /// - Returns: nil after an interruption.
    /// - Throws: `DataError`, `TrainingError`.
    @discardableResult
    public static func pack(
        _ model: StartingModel, _ options: TrainingOptions, paths: [String]? = nil, into folder: String,
        prepare: (Corpus) -> Void = { _ in }, isInterrupted: () -> Bool = { false }
    ) throws -> PackProgress? {
        let resolved = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration)
        let corpus = try Corpus(paths ?? resolved.chat.data, options: resolved.chat.corpus())
        prepare(corpus)
        var chats = try model.chatEncoder()
        // A row of so many places reads one token more.
        chats.largestSequence = resolved.rows.length + 1
        chats.long = resolved.chat.long
        chats.learnt = resolved.chat.learnt
        chats.thinking = resolved.chat.thinking
        var packing = PackOptions()
        packing.validation = resolved.chat.validation
        packing.usualValidation = 0.02
        packing.split = .documents
        packing.replacesShards = true
        let isFolder = Folder.isFolder(model.path)
        return try CorpusPacker(
            corpus, encoder: chats.documentEncoder(separator: model.tokenizer.documentEnd), options: packing
        ).pack(
            into: folder, tokenizerFolder: isFolder ? model.path : nil,
            tokenizerFiles: isFolder ? [] : model.tokenizerFiles, isInterrupted: isInterrupted)
    }
}
