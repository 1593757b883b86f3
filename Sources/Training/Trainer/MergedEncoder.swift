import MartletAdapters
import MartletFormats
import MartletInference
import MartletModels
import MartletNN
import MartletRuns
import MartletTensor

/// An encoder with its adapters in its weights: a folder that Martlet, transformers and, of an embedding model,
/// sentence-transformers open.
public struct MergedEncoder {
    /// What of the files is passed over and may matter.
    public let notes: [String]
    /// Modules that are other than those of the base.
    public let changedCount: Int
    private let folder: ModelFolderFiles
    private let encoder: EncoderFiles

    /// - Parameter progress: called with the number of layers done and their total.
    /// - Throws: `AdapterError`; `TrainingError` for an encoder in a single file.
    public init(
        _ files: ModelFiles, _ merge: AdapterMerge = AdapterMerge(), progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        try EncoderFiles.demandFolder(try ModelFiles(path: files.path))
        let checkpoint = files.checkpoint
        let stored = try files.adapters.map { try StoredAdapter.read($0.path, base: nil) }
        // An adapter of a classifier says what it is for; without a head beside it, it is one for the model as it is.
        let isClassifier =
            stored.contains { ["SEQ_CLS", "TOKEN_CLS"].contains($0.configuration.taskType) }
            || [.classifies, .scores].contains(checkpoint.kind)
        let base: AdapterBase, head: EncoderFiles.Head?, pooling: MartletModels.Pooling?, width: Int
        if isClassifier {
            let opened = try OpenedClassifier(files, stored: stored, attaching: false)
            let isOverTokens = if case .tokens = opened.model { true } else { false }
            base = try AdapterBase(opened.model, of: checkpoint)
            head = .init(
                use: isOverTokens ? "ForTokenClassification" : "ForSequenceClassification", labels: opened.labels,
                problem: (opened.problem ?? "").isEmpty ? nil : opened.problem)
            (pooling, width) = (nil, opened.model.encoder.configuration.hiddenSize)
        } else {
            let model = try checkpoint.embeddingModel()
            base = try AdapterBase(model, of: checkpoint)
            (head, pooling, width) = (nil, model.pooling, model.encoder?.configuration.hiddenSize ?? 0)
        }
        var notes: [String] = []
        for (one, reference) in zip(stored, files.adapters) { notes += try one.notes(on: base, path: reference.path) }
        let changed = try merge.merge(
            zip(stored, files.adapters).map { (stored: $0, weight: $1.strength) }, into: base, progress: progress)
        changedCount = changed.count
        // Layers that share their parameters have one place in the files.
        let names = try EncoderFolder(checkpoint, hasHead: head != nil)
        var seen: Set<String> = []
        let all = try base.tree.parameters.compactMap { parameter -> (name: String, tensor: Tensor)? in
            if let name = names.name(parameter.path), !seen.insert(name).inserted { return nil }
            if let vector = parameter.value as? Tensor, vector.rank == 1 {
                return (parameter.path, try vector.detach().to(.float32))
            }
            return (parameter.path, try parameter.value.float32Matrix().detach())
        }
        encoder = try EncoderFiles(ModelFiles(path: files.path), all, [], head: head)
        self.notes = notes + encoder.notes
        var folder = ModelFolderFiles(
            configuration: encoder.configuration, tokenizerFiles: try TrainingData.tokenizerFiles(files.path),
            endTokens: [])
        folder.encoder = encoder
        if let pooling { folder.others = try SentenceFolder.files(files, pooling: pooling, width: width) }
        self.folder = folder
    }

    /// - Parameter type: of matrices.
    public func write(to path: String, as type: DType = .float32) throws {
        let name: String =
            switch type {
            case .float16: "float16"
            case .bfloat16: "bfloat16"
            default: "float32"
            }
        try makeFolder(AtomicFile.split(path).folder)
        try Folder.fill(path) {
            let own = try encoder.tensors(as: type), written = Set(own.map(\.0))
            try SafetensorsWriter.write(
                own + encoder.carried.filter { !written.contains($0.0) }, metadata: ["format": "pt"],
                to: path + "/model.safetensors")
            let files = folder.all(savedAs: name)
            // config.json comes last: without it the folder is no model yet.
            for file in files.filter({ $0.name != "config.json" }) + files.filter({ $0.name == "config.json" }) {
                try makeFolder(AtomicFile.split(path + "/" + file.name).folder)
                try AtomicFile.write(path + "/" + file.name, bytes: file.bytes)
            }
        }
    }
}
