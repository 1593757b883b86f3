import MartletJSON
import MartletSystem

/// What of an encoder is trained.
public struct EncoderOptions: Sendable, Equatable {
    /// The last so many layers; nil: everything.
    public internal(set) var trainedLayers: Int?
}

/// Options of training embedding vectors.
public struct EmbeddingOptions: Sendable, Equatable {
    /// Nil: as the rows suggest.
    public internal(set) var kind: EmbeddingLoss.Kind?
    public internal(set) var scale: Double?, margin: Double?
    public internal(set) var isSymmetric: Bool?
    public internal(set) var distance: EmbeddingLoss.Distance?
    /// "384,128=0.5"
    public internal(set) var matryoshka: String?
    public internal(set) var anchorPrompt: String?, positivePrompt: String?

    /// The sizes of nested vectors with their weights.
    /// - Throws: `TrainingError` for what is no size.
    func dimensions() throws(TrainingError) -> [(size: Int, weight: Double)] {
        var result: [(size: Int, weight: Double)] = []
        for part in matryoshka?.split(separator: ",", omittingEmptySubsequences: false) ?? [] {
            let sides = part.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " } }
            guard let size = sides.first.flatMap({ Int($0) }), (1...65_536).contains(size),
                let weight = sides.count == 1 ? 1 : Double(sides[1]), weight > 0, weight <= 1e6
            else {
                throw TrainingError(
                    .configuration,
                    "matryoshka: \(String(part).quoted()) is no size; expected as 384,256,128 or with weights as 384,128=0.5"
                )
            }
            guard !result.contains(where: { $0.size == size }) else {
                throw TrainingError(.configuration, "matryoshka: \(size) is there twice")
            }
            result.append((size, weight))
        }
        return result
    }

    /// - Throws: `TrainingError` for an option that this loss would not follow.
    func demandUsed(by kind: EmbeddingLoss.Kind) throws(TrainingError) {
        func demand(_ isSet: Bool, _ name: String, _ kinds: [EmbeddingLoss.Kind]) throws(TrainingError) {
            guard isSet, !kinds.contains(kind) else { return }
            throw TrainingError(
                .configuration,
                "\(name) is of loss \(kinds.map(\.rawValue).joined(separator: " or ")), not of \(kind.rawValue)",
                option: name)
        }
        try demand(scale != nil, "scale", [.infonce, .cosent])
        try demand(isSymmetric == true, "symmetric", [.infonce])
        try demand(margin != nil, "margin", [.triplet])
        try demand(distance != nil, "distance", [.triplet])
    }

    static func usualMargin(_ distance: EmbeddingLoss.Distance) -> Double { distance == .cosine ? 0.5 : 5 }
}

extension EmbeddingLoss.Kind: OptionValue {}
extension EmbeddingLoss.Distance: OptionValue {}

extension OptionKey {
    /// A choice whose field is nil without a value.
    static func choice<Value: OptionValue & CaseIterable & RawRepresentable<String>>(
        _ name: String, optional field: OptionField<Value?>, _ meaning: String, others: String = "",
        default usual: OptionDefault<Value>
    ) -> Self {
        option(
            name, optional: field, .choice(Value.allCases.map(\.rawValue)), meaning, shown: true, others: others,
            default: usual)
    }
}

extension OptionPart {
    /// Which rows of named columns are read.
    private static func rowKeys(_ meaning: String, map: String, validation: String) -> [OptionKey] {
        recordKeys(meaning).compactMap { key -> OptionKey? in
            switch key.name {
            case "dataset_info", "field", "system": nil
            case "map":
                OptionKey.option(
                    "map", optional: \.chat.map, .text, map, resume: .free, shown: true,
                    default: .none("by their names"))
            default: key
            }
        } + [
            .option(
                "validation", optional: \.chat.validation, .number(0...1e9), validation, shown: true,
                others: "val_size test_size eval_split", default: .none("0.1"))
        ]
    }

    static let textPairs = OptionPart(
        "Rows of texts",
        rowKeys(
            "Files and folders of pairs, triplets or scored pairs: JSONL, JSON, CSV, TSV, Parquet, Arrow.",
            map: "Columns by what they hold, as role=column,…; roles are anchor, positive, negative, score.",
            validation: "The share of anchors kept for validation; from 1 on, how many."))

    static let labelledTexts = OptionPart(
        "Labelled texts",
        rowKeys(
            "Files and folders of texts with labels: JSONL, JSON, CSV, TSV, Parquet, Arrow.",
            map: "Columns by what they hold, as role=column,…; roles are text, pair, label, tokens, tags.",
            validation: "The share of texts kept for validation; from 1 on, how many."))

    static let trainedLayers = OptionPart(
        "Layers",
        [
            .option(
                "train_layers", optional: \.encoder.trainedLayers, .integer(0...10_000),
                "Train only the last so many layers of the encoder, and the head; 0: the head alone.", shown: true,
                others: "unfreeze_layers trainable_layers freeze_layers freeze", default: .none("all layers"))
        ]
    ) { (run, _) throws(TrainingError) in
        guard run.encoder.trainedLayers == nil || !run.adapter.isOn else {
            throw TrainingError(
                .configuration,
                "train_layers says which layers of the model itself are trained, and an adapter leaves all as they are: say "
                    + "adapter_layers for the layers that get one")
        }
    }

    static let embedding = OptionPart(
        "Vectors",
        [
            .choice(
                "loss", optional: \.embedding.kind,
                "What vectors are trained on: infonce, against the other rows of a step and given negatives; triplet; cosine, "
                    + "to be the score; cosent, to be ordered as the scores.",
                others: "loss_type loss_function", default: .none("infonce; cosent where rows have scores")),
            .option(
                "scale", optional: \.embedding.scale, .number(1e-3...1000),
                "What cosines are multiplied by in infonce and cosent: 1 / temperature.", shown: true,
                others: "inverse_temperature temperature", default: .none("20")),
            .option(
                "symmetric", optional: \.embedding.isSymmetric, .flag,
                "In infonce also find the anchor of each positive; the loss is the mean of both.", shown: true,
                others: "bidirectional", default: .value(false)),
            .choice(
                "distance", optional: \.embedding.distance, "The distance between the sides of a triplet.",
                others: "distance_metric", default: .none("cosine")),
            .option(
                "margin", optional: \.embedding.margin, .number(0...1000),
                "By how much the negative of a triplet is to be farther.", shown: true, others: "triplet_margin",
                default: .none("0.5; 5 of the distances that are not cosine")),
            .option(
                "matryoshka", optional: \.embedding.matryoshka, .text,
                "Train the first so many numbers of each vector too, as 384,256,128; with weights as 384,128=0.5.",
                shown: true, others: "matryoshka_dims", default: .none("the whole vector")),
            .option(
                "anchor_prompt", optional: \.embedding.anchorPrompt, .text,
                "A text before each anchor, as \"query: \".",
                shown: true, others: "query_prompt query_prefix", default: .none("the model's default prompt")),
            .option(
                "positive_prompt", optional: \.embedding.positivePrompt, .text,
                "A text before each positive and negative, as \"passage: \".", shown: true,
                others: "passage_prompt document_prompt passage_prefix", default: .none("the model's default prompt")),
        ]
    ) { (run, _) throws(TrainingError) in
        _ = try run.embedding.dimensions()
        if let kind = run.embedding.kind { try run.embedding.demandUsed(by: kind) }
        guard run.encoder.trainedLayers != 0 else {
            throw TrainingError(.configuration, "train_layers 0 leaves nothing of an embedding model to train")
        }
    }

    /// Steps of whole texts.
    static func textSteps(_ what: String, length: String, rows: Int, epochs: Double) -> OptionPart {
        OptionPart(
            "Steps",
            [
                .integer(
                    "context_length", \.rows.length, 4...1_048_576, length, shown: true,
                    others: "cutoff_len max_length max_seq_length max_seq_len context ctx length",
                    default: .from { facts in
                        guard let model = facts.model else { return (nil, "the model's, 256 at most") }
                        return (min(model.contextLength, 256), "the model's, 256 at most")
                    }),
                .integer(
                    "batch_rows", \.rows.perStep, 1...65_536, what, shown: true, flags: ["batch"],
                    others: "batch_size bs per_device_train_batch_size train_batch_size",
                    default: .from { facts in
                        let isFew = facts.rows.map { $0 < rows } ?? false
                        return (max(1, min(rows, facts.rows ?? rows)), isFew ? "all rows of the data" : "default")
                    }),
                .option(
                    "epochs", optional: \.rows.epochs, .number(0.001...100_000),
                    "Times to go through the data, instead of steps.", resume: .told, shown: true,
                    others: "epoch num_epochs num_train_epochs n_epochs",
                    default: .from { !$0.isTimed && !$0.givesSteps ? (epochs, "default") : (nil, "by steps") }),
            ])
    }

    /// How runs on encoders differ from others.
    /// - Parameter texts: of a row, about.
    static func encoderDefaults(
        texts: Int
    ) -> [String: @Sendable (OptionFacts) -> (value: JSON, how: String)] {
        [
            // By the length of nearly all texts, where it is known.
            "micro_batches": OptionDefault.microBatches(ofTokens: 8192, sequences: texts) { facts in
                min(facts.run.rows.length, facts.longestRow ?? facts.run.rows.length)
            }.usual,
            "weight_decay": OptionDefault<Double>.from {
                $0.run.adapter.isOn ? (0, "none for adapters") : (0.01, "default of fine-tuned encoders")
            }.usual,
            "learning_rate": OptionDefault<Double>.from {
                if $0.run.adapter.isOn, $0.run.optimizer.kind == .adamw || $0.run.optimizer.kind == .adam {
                    return $0.run.adapter.usualRate(hiddenSize: $0.run.shape.hiddenSize)
                }
                if $0.run.optimizer.kind == .adamw { return (2e-5, "default of fine-tuned encoders") }
                let usual = UsualNumbers($0.run.optimizer.kind, hiddenSize: 256)
                return (usual.learningRate / 150, "a hundred-and-fiftieth of the default of the optimizer")
            }.usual,
            "beta2": OptionDefault<Double>.from {
                $0.run.optimizer.kind == .adamw
                    ? (0.999, "default of fine-tuned encoders") : ($0.optimizer.beta2, "default of the optimizer")
            }.usual,
            "dropout": OptionDefault.value(0.1, "as BERT is trained").usual,
            "attention_dropout": OptionDefault.value(0.1, "as BERT is trained").usual,
            "evaluation_rows": OptionDefault.value(1000).usual,
        ]
    }
}
