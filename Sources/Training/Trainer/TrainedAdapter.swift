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
    let adapter: Adapter
    /// What the base is called in `adapter_config.json`.
    let base: String
    let fingerprint: String
    /// Heads that are trained beside it and saved with it, by PEFT's names: "base_model.model.score.weight".
    var heads: [Parameter] = []
    /// PEFT's, where it is not the model's own: "SEQ_CLS".
    var taskType: String?
    /// What the classes of a classifier's head are, which is one of the adapter's modules.
    var head: AdapterHead?
    /// Whether parameters are trained that are no part of the adapter's files, as a value head.
    var trainsMore = false
    private let host: AdapterBase

    /// The language model that an adapter is trained on.
    /// - Throws: `TrainingError` for a text encoder.
    static func decoder(of model: ModelFiles) throws -> Decoder {
        guard !model.checkpoint.hasEncoder else {
            let kind = model.checkpoint.kind
            throw TrainingError(
                .configuration,
                "\(model.path) is a text encoder, \(kind.name) (\(kind.uses)); this trains adapters on language models, martlet "
                    + "embed-train and classify-train on encoders")
        }
        return try model.checkpoint.decoder()
    }

    /// - Parameters:
    ///   - depth: the layers that the base has.
    ///   - base: what the files call it.
    ///   - taskType: PEFT's name of what it is for, where that is not to write text.
    /// - Throws: `AdapterError` for an adapter that does not fit the base; `TrainingError`.
    init(
        _ options: AdapterOptions, on host: AdapterBase, depth: Int, seed: UInt64, base: String,
        taskType: String? = nil, locate: (String) throws -> String
    ) throws {
        self.host = host
        if let from = options.from {
            var stored = try StoredAdapter.read(locate(from), of: host)
            if let wanted = try options.configuration(depth: depth), wanted.kind != stored.configuration.kind {
                throw TrainingError(
                    .configuration,
                    "\(from) is an adapter of the kind \(stored.configuration.title), not \(wanted.title): leave the "
                        + "option adapter out, and training continues with its own kind")
            }
            stored.configuration.taskType = taskType
            head = stored.head
            adapter = try Adapter(stored, of: host, isTrained: true)
        } else {
            guard var configuration = try options.configuration(depth: depth) else {
                throw TrainingError(.configuration, "no adapter is named")
            }
            configuration.taskType = taskType
            // A head is new, or of other classes: what would be added to it would stand on numbers that nobody has.
            let given = configuration.savedModules
            configuration.savedModules += host.headModules.filter { !given.contains($0) }
            let original = try options.original.map { try Checkpoint(path: locate($0)).decoder() }
            adapter = try Adapter(configuration, of: host, seed: seed, original: original)
        }
        try adapter.attach()
        self.base = base
        fingerprint = try BaseFingerprint.of(host)
    }

    /// What a plan of memory asks of it.
    var sizes: AdapterCost { AdapterCost(adapter.parameters, base: host.byteCount, adapter.linearAdapters) }

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

    var metadata: [String: String] {
        var metadata = ["format": "pt", PEFTFolder.fingerprintKey: fingerprint]
        metadata[PEFTFolder.headKey] = head?.text
        return metadata
    }

    /// What is stored as the adapter, where it is not the parameters themselves.
    func shown(_ loop: StepLoop) throws -> [(String, Tensor)]? {
        if adapter.isStoredAsTrained, loop.average == nil, loop.mixed == nil, !trainsMore { return nil }
        return try loop.withShownWeights {
            let own = try adapter.published().map { ($0.0, $0.1.copied()) }
            return own + heads.map { ($0.name, $0.tensor.detach().copied()) }
        }
    }

    /// - Throws: `TrainingError` for an average of weights that could not be read again: one of weights that are stored in
    ///   another form, or under another name, than they are trained.
    func demandStored(_ options: RunOptions) throws(TrainingError) {
        guard !adapter.isStoredAsTrained, options.optimizer.averageDecay > 0 else { return }
        let modules = adapter.configuration.savedModules
        throw TrainingError(
            .configuration,
            "ema: no average is kept of an adapter that is stored in another form than it is trained in "
                + "(\(adapter.configuration.title) on this base"
                + (modules.isEmpty ? "" : ", with \(modules.joined(separator: ", ")) as a whole") + "); leave ema out")
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
