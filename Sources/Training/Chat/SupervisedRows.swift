import MartletData
import MartletFormats

/// Conversations as the shards of tokens that a run of `martlet sft` learns.
///
/// ```swift
/// try SupervisedRows.pack(model, options, into: "run/data")
/// let trainer = try Trainer(run: "run", options: options, data: TrainingData([DataPortion("run/data")]), from: model)
/// ```
public enum SupervisedRows {
    /// "alpaca.json" of "alpaca.json=0.5"; a name may have a "=" in it.
    private static func withoutShare(_ text: String) -> String {
        guard !Folder.exists(text), let cut = text.lastIndex(of: "="), Double(text[text.index(after: cut)...]) != nil
        else { return text }
        return String(text[..<cut])
    }

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
        packing.validation = try resolved.chat.validation.map { given in
            // How many there are is known at the end: a number of them is a share of what a reading counts.
            guard given >= 1 else { return given }
            var counting = try resolved.chat.corpus()
            if counting.badRecords == .report { counting.badRecords = .skip }
            let all = try Corpus(resolved.chat.data.map(Self.withoutShare), options: counting)
            while try all.nextDocument() != nil { if isInterrupted() { return 0 } }
            return DocumentSplit.share(given, of: all.documentCount)
        }
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
