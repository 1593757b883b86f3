import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// The files of a model with a score head instead of an output projection, as transformers loads it.
struct SequenceClassifierForm {
    enum Kind: Equatable {
        /// `…ForSequenceClassification` with one label.
        case sequences
        /// `…ForTokenClassification` with the labels wrong and right.
        case steps
        /// `…ForSequenceClassification` with these classes, or one number; transformers' `problem_type`, where it has one.
        case classes([String], problem: String?)

        /// The rows of the head.
        fileprivate var rows: Int {
            switch self {
            case .sequences: 1
            case .steps: 2
            case .classes(let labels, _): labels.count
            }
        }
    }

    /// The decoder's parameters without its output projection, then the head.
    let parameters: [Parameter]
    let head: Parameter
    /// Of the head, where it has one.
    let bias: Parameter?
    var files: ModelFolderFiles

    /// - Parameters:
    ///   - seed: of the head: normal with a deviation of 1/√(hidden + 1) (Stiennon et al. 2020).
    ///   - stored: the head to go on with, where there is one.
    init(_ model: StartingModel, seed: UInt64, _ kind: Kind = .sequences, weight stored: Tensor? = nil) throws {
        let hidden = model.decoder.configuration.embeddingSize
        let deviation = 1 / Double(hidden + 1).squareRoot()
        let weight =
            try stored?.to(.float32).copied()
            ?? Initializer(.normal(deviation: deviation, layers: 1), seed: seed)
            .parameter("score.weight", shape: [kind.rows, hidden], role: .weight)
        // An adapter's folder holds the head as a module that is saved whole.
        let prefix = model.adapter == nil ? "" : "base_model.model."
        head = Parameter(name: prefix + "score.weight", role: .weight, tensor: try weight.requiringGrad())
        bias =
            kind == .steps
            ? Parameter(name: prefix + "score.bias", role: .bias, tensor: try Tensor.zeros([2]).requiringGrad()) : nil
        let heads = [head] + (bias.map { [$0] } ?? [])
        parameters = model.parameters.filter { !$0.name.hasPrefix("lm_head.") } + heads
        var files = ModelFolderFiles(
            configuration: try Self.configuration(model, kind), tokenizerFiles: model.tokenizerFiles,
            endTokens: model.files.endTokens)
        files.adapter = model.files.adapter
        files.adapter?.heads = heads
        files.adapter?.taskType = kind == .steps ? "TOKEN_CLS" : "SEQ_CLS"
        files.joined = model.files.joined
        files.joined?.heads = heads
        self.files = files
    }

    private static func configuration(_ model: StartingModel, _ kind: Kind) throws -> JSON {
        guard var members = model.files.configuration.object else { return model.files.configuration }
        let name = members["architectures"]?.array?.first?.string ?? ""
        let stem = ["ForCausalLM", "LMHeadModel", "ForSequenceClassification"].first(where: name.hasSuffix)
        guard let stem else {
            throw TrainingError(
                .data,
                "\(model.path) is a \(name.isEmpty ? "model without a name" : name); a score head is put on a "
                    + "language model, whose name ends in ForCausalLM")
        }
        let bare = String(name.dropLast(stem.count))
        switch kind {
        case .sequences:
            members["architectures"] = [.string(bare + "ForSequenceClassification")]
            members["num_labels"] = 1
            members["id2label"] = ["0": "LABEL_0"]
            members["label2id"] = ["LABEL_0": 0]
            members["problem_type"] = "regression"
        case .steps:
            members["architectures"] = [.string(bare + "ForTokenClassification")]
            members["num_labels"] = 2
            members["id2label"] = ["0": "wrong", "1": "right"]
            members["label2id"] = ["wrong": 0, "right": 1]
        case .classes(let labels, let problem):
            members["architectures"] = [.string(bare + "ForSequenceClassification")]
            members["num_labels"] = nil
            members["id2label"] = .object(
                JSONObject(labels.enumerated().map { ("\($0.offset)", .string($0.element)) }))
            members["label2id"] = .object(
                JSONObject(labels.enumerated().map { ($0.element, .integer(Int64($0.offset))) }))
            members["problem_type"] = problem.map { .string($0) }
        }
        members["pad_token_id"] =
            try padToken(model, members["pad_token_id"]?.integer).map { .integer(Int64($0)) } ?? .null
        return .object(members)
    }

    /// transformers reads the score at the last token that is not padding, so the end token must not be the padding
    /// token.
    private static func padToken(_ model: StartingModel, _ given: Int?) throws -> Int? {
        let ends = model.files.endTokens.union(model.tokenizer.eosTokens)
        if let given, let token = Int32(exactly: given), !ends.contains(token) { return given }
        let names = ["<pad>", "[PAD]", "<|pad|>", "<|endoftext|>", "<unk>", "<|finetune_right_pad_id|>"]
        let known = names.compactMap { model.tokenizer.id(of: $0) }.first { !ends.contains($0) }
        let other = model.tokenizer.specialTokens.sorted().first {
            !ends.contains($0) && $0 != model.tokenizer.bosToken
        }
        return (known ?? other ?? model.tokenizer.bosToken).map(Int.init) ?? given
    }
}
