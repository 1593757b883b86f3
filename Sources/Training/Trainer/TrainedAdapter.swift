import MartletAdapters
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// The adapter that a run trains, and the base that it stands on. A checkpoint holds what is trained and the optimiser's state,
/// nothing of the base; the run's folder is one that PEFT loads.
struct TrainedAdapter {
    let decoder: Decoder
    let adapter: Adapter
    /// What the base is called in `adapter_config.json`.
    let base: String
    let fingerprint: String
    /// Heads that are trained beside it and saved with it, by PEFT's names: "base_model.model.score.weight".
    var heads: [Parameter] = []
    /// PEFT's, where it is not the model's own: "SEQ_CLS".
    var taskType: String?
    /// Whether parameters are trained that are no part of the adapter's files, as a value head.
    var trainsMore = false

    /// - Throws: `AdapterError` for an adapter that does not fit the base; `TrainingError`.
    init(
        _ options: AdapterOptions, on model: ModelFiles, seed: UInt64, base: String,
        locate: (String) throws -> String
    ) throws {
        guard !model.checkpoint.hasEncoder else {
            let kind = model.checkpoint.kind
            throw TrainingError(
                .configuration,
                "\(model.path) is a text encoder, \(kind.name) (\(kind.uses)); adapters are trained on language models")
        }
        decoder = try model.checkpoint.decoder()
        if let from = options.from {
            let stored = try StoredAdapter.read(locate(from), of: decoder)
            if let wanted = try options.configuration(depth: decoder.configuration.layers.count),
                wanted.kind != stored.configuration.kind
            {
                throw TrainingError(
                    .configuration,
                    "\(from) is an adapter of the kind \(stored.configuration.title), not \(wanted.title): leave the "
                        + "option adapter out, and training continues with its own kind")
            }
            adapter = try Adapter(stored, of: decoder, isTrained: true)
        } else {
            guard let configuration = try options.configuration(depth: decoder.configuration.layers.count) else {
                throw TrainingError(.configuration, "no adapter is named")
            }
            let original = try options.original.map { try Checkpoint(path: locate($0)).decoder() }
            adapter = try Adapter(configuration, of: decoder, seed: seed, original: original)
        }
        try adapter.attach()
        self.base = base
        fingerprint = try BaseFingerprint.of(decoder)
    }

    /// What a plan of memory asks of it.
    var sizes: AdapterCost {
        AdapterCost(
            adapter.parameters, base: decoder.tree.parameters.reduce(0) { $0 + $1.value.byteCount },
            adapter.linearAdapters)
    }

    /// The files beside the weights.
    var files: [(name: String, bytes: [UInt8])] {
        let file = PEFTFolder.configurationFile(adapter, base: base)
        guard let taskType, var members = (try? JSON(parsing: file.bytes))?.object else { return [file] }
        let modules = Set(heads.compactMap { $0.name.split(separator: ".").dropLast().last.map(String.init) })
        members["task_type"] = .string(taskType)
        members["modules_to_save"] = .array(
            (members["modules_to_save"]?.array ?? []) + modules.sorted().map { .string($0) })
        return [(file.name, JSON.object(members).bytes(indent: 2))]
    }

    var metadata: [String: String] { ["format": "pt", PEFTFolder.fingerprintKey: fingerprint] }

    /// What is stored as the adapter, where it is not the parameters themselves.
    func shown(_ loop: StepLoop) throws -> [(String, Tensor)]? {
        if adapter.isStoredAsTrained, loop.average == nil, loop.mixed == nil, !trainsMore { return nil }
        return try loop.withShownWeights {
            let own = try adapter.published().map { ($0.0, $0.1.copied()) }
            return own + heads.map { ($0.name, $0.tensor.detach().copied()) }
        }
    }

    /// - Throws: `TrainingError` where a checkpoint was trained on another base.
    func demand(_ checkpoint: TrainingCheckpoint) throws {
        guard let before = checkpoint.state["base_fingerprint"]?.string, before != fingerprint else { return }
        throw TrainingError(
            .configuration,
            "\(checkpoint.path) was trained on another base (its fingerprint is \(before), that of \(base) \(fingerprint)); "
                + "use the same, or another run folder")
    }
}
