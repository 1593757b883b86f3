import MartletAdapters
import MartletChat
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletTensor

/// A decoder with a score head in place of its output projection, as `martlet reward`, TRL or PEFT save it: the folder of a
/// whole model, or that of an adapter which saves its head ("score") beside it.
struct ScoredModel {
    let path: String
    let decoder: Decoder
    let encoder: ChatEncoder
    /// `[outputs, hidden]`.
    let weight: Tensor
    /// `[outputs]`, where the head has one.
    let bias: Tensor?

    /// Whether a folder judges steps: two classes at places of a text, by what its configuration calls itself.
    static func judgesSteps(_ path: String) -> Bool {
        func read(_ name: String) -> JSON? {
            (try? Folder.read(path + "/" + name)).flatMap { try? JSON(parsing: $0) }
        }
        if PEFTFolder.isAdapter(path) {
            return read(PEFTFolder.configurationName)?["task_type"]?.string == "TOKEN_CLS"
        }
        let architecture = read("config.json")?["architectures"]?.array?.first?.string
        return architecture?.hasSuffix("ForTokenClassification") ?? false
    }

    /// - Parameters:
    ///   - what: as errors call it: "reward model".
    ///   - outputs: numbers that the head gives, with what they are.
    ///   - locate: finds the base of an adapter by the name that its files have for it.
    /// - Throws: `RewardError` for a model without such a head, or an adapter whose base is not there.
    init(
        path: String, _ what: String, outputs: (count: Int, meaning: String), locate: (String) throws -> String
    ) throws {
        self.path = path
        let found: (decoder: Decoder, encoder: ChatEncoder, weight: Tensor, bias: Tensor?)
        found = try PEFTFolder.isAdapter(path) ? Self.adapted(path, what, locate) : Self.whole(path, what)
        let expected: Shape = [outputs.count, found.decoder.configuration.embeddingSize]
        guard found.weight.shape == expected, found.bias.map({ $0.shape == [outputs.count] }) ?? true else {
            throw RewardError(
                .unknown,
                "\(path): score.weight is \(found.weight.shape); a \(what) has \(expected): \(outputs.meaning)")
        }
        (decoder, encoder) = (found.decoder, found.encoder)
        weight = try found.weight.to(.float32)
        bias = try found.bias?.to(.float32)
    }

    private static func adapted(
        _ path: String, _ what: String, _ locate: (String) throws -> String
    ) throws -> (decoder: Decoder, encoder: ChatEncoder, weight: Tensor, bias: Tensor?) {
        var stored = try PEFTFolder.read(path)
        let key = "base_model.model.score."
        guard let head = stored.tensors.removeValue(forKey: key + "weight") else {
            throw RewardError(
                .unknown,
                "\(path) is an adapter without a score head (\(key)weight): it is no \(what) as martlet reward --adapter "
                    + "writes")
        }
        let bias = stored.tensors.removeValue(forKey: key + "bias")
        stored.configuration.savedModules.removeAll { ["score", "classifier"].contains($0) }
        guard let name = stored.configuration.base, let base = try? locate(name), Folder.exists(base) else {
            throw RewardError(
                .unknown,
                "the \(what) \(path) is an adapter of \(stored.configuration.base ?? "a base it does not name"), which is "
                    + "not here: name its folder as base_model_name_or_path in \(path)/\(PEFTFolder.configurationName)")
        }
        let files = try ModelFiles(path: base), decoder = try files.checkpoint.decoder()
        try Adapter(stored, of: decoder).attach()
        return (decoder, try ChatEncoder(tokenizer: files.tokenizer(), whose: base), head, bias)
    }

    private static func whole(
        _ path: String, _ what: String
    ) throws -> (decoder: Decoder, encoder: ChatEncoder, weight: Tensor, bias: Tensor?) {
        let files = try ModelFiles(path: path), tensors = files.checkpoint.tensors
        guard [.scores, .classifies].contains(files.checkpoint.kind), !files.checkpoint.hasEncoder,
            tensors.entry("score.weight") != nil
        else {
            throw RewardError(
                .unknown,
                "\(path) is \(files.checkpoint.kind.name) and no \(what): that has a score head (score.weight) and an "
                    + "architecture that ends in ForSequenceClassification or ForTokenClassification, as martlet reward writes"
            )
        }
        return (
            try files.checkpoint.decoder(), try ChatEncoder(tokenizer: files.tokenizer(), whose: path),
            try tensors.tensor("score.weight"),
            tensors.entry("score.bias") == nil ? nil : try tensors.tensor("score.bias")
        )
    }

    /// Computes sequences in passes of bounded length, and gives what `body` makes of each pass.
    func inPasses<Sequence, Value>(
        _ sequences: [Sequence], tokens: (Sequence) -> Int, _ body: ([Sequence]) throws -> [Value]
    ) throws -> [Value] {
        try noGrad { try sequences.passes(tokens: tokens).flatMap { try body(Array($0)) } }
    }

    /// - Throws: `RewardError` naming a reply that is longer than the model reads.
    func demandRoom(_ tokens: Int, _ what: String, _ request: RewardRequest) throws(RewardError) {
        let limit = decoder.configuration.contextLength
        guard tokens > limit else { return }
        throw RewardError(
            .problem,
            "the \(what) \(path) reads \(limit) tokens, and \(request.shown) has \(tokens) with its prompt")
    }
}
