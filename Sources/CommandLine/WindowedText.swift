import ArgumentParser
import Martlet
import MartletVerbs

/// A text that a model is measured or calibrated on, by its path.
enum WindowedText {
    /// A running text (.txt, .md and other names) in windows of `method`. Records (.jsonl, .json, .csv, .parquet, …) are read
    /// as documents instead, as training reads them: texts with the token that ends documents, conversations through the
    /// model's chat template, of which the replies are scored.
    /// - Parameter limit: windows at most.
    static func windows(
        _ path: String, _ files: ModelFiles, method: TextWindows.Method, limit: Int?
    ) throws -> TextWindows {
        let tokenizer = try files.tokenizer()
        guard let file = CorpusFile(path: path), file.format != .text, !Folder.isFolder(path) else {
            return try TextWindows(
                TextFile.read(path), name: path, tokenizer: tokenizer, method: method, limit: limit)
        }
        guard case .chunks(let length) = method else {
            throw ValidationError(
                "--stride is of running text, and \(path) holds records, which are scored as documents: leave it out")
        }
        let corpus = try Corpus([path])
        CorpusReport.tellFiles(corpus)
        let encoder = try encoder(files, tokenizer)
        var documents = DocumentWindows(length: length, limit: limit), tally = CorpusTally()
        while !documents.isFull, let document = try corpus.nextDocument() {
            let encoding = try encoder.encode(document)
            for note in encoding.notes { tally.add(note, at: document.origin) }
            for sequence in encoding.sequences { documents.add(sequence.tokens, isTrained: sequence.isTrained) }
        }
        for entry in corpus.tally.entries + tally.entries { Terminal.note(entry.description) }
        let found = try documents.finish(name: path)
        Terminal.note(
            "\(path): \(documents.isFull ? "the first " : "")\(corpus.documentCount) rows as documents, "
                + "\(found.tokenCount) tokens in \(found.windows.count) windows of at most \(length)")
        return found
    }

    private static func encoder(_ files: ModelFiles, _ tokenizer: Tokenizer) throws -> DocumentEncoder {
        let end = tokenizer.documentEnd
        guard let template = try files.chatTemplate(tokenizer) else {
            return DocumentEncoder(
                tokenizer: tokenizer, separator: end,
                chats: .refused(
                    "is a conversation, and the model has no chat template; give rows with a text, or another model"))
        }
        return ChatEncoder(tokenizer: tokenizer, template: template).documentEncoder(separator: end)
    }
}
