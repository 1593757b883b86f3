import ArgumentParser
import Martlet
import MartletVerbs

extension PackOptions.Split: ExpressibleByArgument {}
extension BadRecordPolicy: ExpressibleByArgument {}
extension LongConversations: ExpressibleByArgument {}

/// Which records of a corpus are read, and by which columns: what `data pack` and `data preview` share.
struct RecordFlags: ParsableArguments {
    @Option(help: "The field or column that holds the text or the messages.") var field: String?
    @Option(
        help: ArgumentHelp(
            "Columns by what they hold, as role=column,…; roles are text, messages, prompt, context, response, system, "
                + "tools, history, label, chosen, rejected."))
    var map: String?
    @Option(help: "stop, skip or report: what becomes of a record that cannot be used. Those passed over are counted.")
    var onBadRecord = BadRecordPolicy.stop
    @Option(help: "Of folders: train, validation, test, another split they name, or all.") var dataSplit = "train"
    @Option(help: "LLaMA-Factory's dataset_info.json, whose names may stand for files.") var datasetInfo: String?
    @Option(help: "Of a hub repository whose README lists several: the subset.") var subset: String?

    func options() throws -> CorpusOptions {
        var options = CorpusOptions()
        options.field = field
        if let map { options.columns = try ColumnMap(map) }
        options.badRecords = onBadRecord
        options.split = dataSplit
        options.subset = subset
        if let datasetInfo { options.datasets = try DatasetInfo(path: datasetInfo) }
        return options
    }
}

/// How a corpus is read and tokenised: the flags that `data pack` and `data preview` share.
struct CorpusFlags: ParsableArguments {
    enum Chats: String, ExpressibleByArgument, CaseIterable { case template, text, pairs }

    @Option(help: "The tokenizer: a folder, a GGUF file, org/name, or a short name.", completion: .models)
    var tokenizer: String
    @OptionGroup var records: RecordFlags
    @Option(help: "What stands between the documents of a text file; \"\" makes each file one document.")
    var separator = "<|endoftext|>"
    @Option(help: "The token that ends a document; \"\" for none. By default the tokenizer's own.")
    var endToken: String?
    @Option(
        help: ArgumentHelp(
            "template: conversations through the chat template; text: as plain text; pairs: prompts and responses as they "
                + "are, for objective seq2seq of martlet train."))
    var chats = Chats.template
    @Option(help: "A file with a chat template, when it is not to be the tokenizer's own.") var template: String?
    @Option(help: "The most tokens of a conversation or pair: the context length to train with, and one more.")
    var maxTokens: Int?
    @Option(
        help: ArgumentHelp(
            "drop or cut, at turns and with the system prompt kept: conversations longer than --max-tokens; drop where left "
                + "out."))
    var long: LongConversations?

    func validate() throws {
        try demand("--max-tokens", maxTokens, 2...)
        guard long == nil || maxTokens != nil else {
            throw ValidationError("--long says what becomes of conversations longer than --max-tokens: give that too")
        }
        guard chats != .template else { return }
        guard template == nil else {
            throw ValidationError(
                "--template renders conversations, which --chats \(chats.rawValue) does not: leave one out")
        }
        guard maxTokens == nil || chats == .pairs else {
            throw ValidationError("--max-tokens is of conversations, and --chats text makes plain texts of them")
        }
        guard long != .cut else {
            throw ValidationError("--long cut is at turns, which pairs do not have: leave it out")
        }
    }

    /// The flags that say how records are read and rendered, as far as they are given: without effect where there are
    /// tokens already.
    var givenForRecords: [String] {
        let all = [
            ("--field", records.field != nil), ("--map", records.map != nil),
            ("--on-bad-record", records.onBadRecord != .stop), ("--data-split", records.dataSplit != "train"),
            ("--dataset-info", records.datasetInfo != nil), ("--subset", records.subset != nil),
            ("--separator", separator != "<|endoftext|>"), ("--end-token", endToken != nil),
            ("--chats", chats != .template), ("--template", template != nil), ("--max-tokens", maxTokens != nil),
        ]
        return all.filter(\.1).map(\.0)
    }

    func options() throws -> CorpusOptions {
        var options = try records.options()
        options.separator = separator.isEmpty ? nil : separator
        return options
    }

    /// The encoder of conversations, with the given template or the tokenizer's own; nil without either.
    func chatEncoder(_ tokenizer: Tokenizer) throws -> ChatEncoder? {
        guard
            let source = try template.map({ String(decoding: try Folder.read($0), as: UTF8.self) })
                ?? tokenizer.chatTemplate
        else { return nil }
        var chat = ChatEncoder(
            tokenizer: tokenizer,
            template: try ChatTemplate(source: source, specialTokens: tokenizer.namedSpecialTokens))
        chat.largestSequence = maxTokens
        chat.long = long ?? .drop
        return chat
    }

    func encoder(_ tokenizer: Tokenizer) throws -> DocumentEncoder {
        var end = tokenizer.documentEnd
        if let endToken {
            end = endToken.isEmpty ? nil : tokenizer.id(of: endToken)
            guard endToken.isEmpty || end != nil else {
                throw ValidationError("--end-token: the tokenizer has no token \"\(endToken)\"")
            }
        }
        if chats == .pairs { return .pairs(tokenizer: tokenizer, separator: end, longest: maxTokens) }
        guard chats == .template else { return DocumentEncoder(tokenizer: tokenizer, separator: end) }
        guard let chat = try chatEncoder(tokenizer) else {
            return DocumentEncoder(
                tokenizer: tokenizer, separator: end,
                chats: .refused(
                    "is a conversation, and the tokenizer has no chat template; give --template FILE, or --chats text"))
        }
        return chat.documentEncoder(separator: end)
    }
}

/// A tokenizer by the name of a model or a path, and the files to copy beside what is made with it.
struct CorpusTokenizer {
    let tokenizer: Tokenizer
    /// The folder whose files are copied; nil if they are generated from a GGUF file.
    let folder: String?
    let files: [(name: String, bytes: [UInt8])]

    init(_ name: String) throws {
        let path = try ModelLocator.locate(name) { Terminal.note($0) }
        // A tokenizer that was trained and has no model yet, or a folder of shards.
        if Folder.isFolder(path), !Folder.isFile(path + "/config.json") {
            (tokenizer, folder, files) = (try Tokenizer(folder: path), path, [])
            return
        }
        let model = try ModelFiles(path: path)
        tokenizer = try model.tokenizer()
        folder = Folder.isFolder(path) ? path : nil
        files = Folder.isFolder(path) ? [] : try model.tokenizerFiles() ?? []
    }
}
