import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// What the folder of a trained encoder holds beside the trained parameters, by the names transformers has for them.
struct EncoderFiles {
    /// A classifier's head, as `config.json` tells it.
    struct Head {
        /// "ForSequenceClassification"
        var use: String
        var labels: [String]
        /// "single_label_classification"; nil where transformers has no name for it.
        var problem: String?
    }

    private let folder: EncoderFolder
    private let all: [(name: String, tensor: Tensor)]
    /// Whether files join parameters that are trained apart.
    private let isJoined: Bool
    /// What is stored as it is.
    let carried: [(String, Tensor)]
    let configuration: JSON
    let notes: [String]

    /// - Throws: `TrainingError` for a file that is no folder, whose names and configuration the run's folder has.
    static func demandFolder(_ model: ModelFiles) throws {
        guard model.checkpoint.gguf == nil, model.checkpoint.flat == nil else {
            throw TrainingError(
                .data,
                "\(model.path) is a single file; an encoder is trained from the folder it was published as, with config.json "
                    + "and safetensors")
        }
        guard model.adapters.isEmpty else {
            throw TrainingError(.data, "\(model.path) has an adapter; merge it into the model first (martlet merge)")
        }
    }

    /// - Parameters:
    ///   - all: every parameter of the model, by its names.
    ///   - trained: those that are trained.
    ///   - head: of a classifier.
    init(
        _ model: ModelFiles, _ all: [(name: String, tensor: Tensor)], _ trained: [Parameter], head: Head?
    ) throws {
        let checkpoint = model.checkpoint
        let folder = try EncoderFolder(checkpoint, hasHead: head != nil)
        self.folder = folder
        self.all = all
        isJoined = all.contains { folder.name($0.name) == nil }
        let names = Set(trained.map(\.name)), frozen = all.filter { !names.contains($0.name) }
        // Joined parameters are all written anew.
        var carried = isJoined ? [] : try folder.tensors(frozen)
        var dropped: [String] = []
        let written = Set(try folder.tensors(all).map(\.0))
        let plain = try EncoderFolder(checkpoint, hasHead: false), alone = Set(try plain.tensors(all).map(\.0))
        let base = EncoderFiles.bases(of: checkpoint)
        for name in checkpoint.tensors.names {
            let bare = base.first(where: name.hasPrefix).map { String(name.dropFirst($0.count)) } ?? name
            guard !alone.contains(Self.renamed(bare)), !written.contains(name), !alone.contains(name) else { continue }
            if head == nil, bare.hasPrefix("pooler.") {
                // transformers' bare encoders have it, although nothing here reads it.
                carried.append((bare, try checkpoint.tensors.tensor(name)))
            } else if !EncoderFiles.isComputed(bare) {
                dropped.append(name)
            }
        }
        self.carried = carried
        notes =
            dropped.isEmpty
            ? []
            : [
                "\(dropped.count) tensors of \(model.path) are of no layer that is trained and are left out: "
                    + dropped.prefix(4).joined(separator: ", ") + (dropped.count > 4 ? ", …" : "")
            ]
        configuration = try Self.configuration(checkpoint, head)
    }

    /// Prefixes that folders of classifiers and masked language models put before the encoder's names.
    private static func bases(of checkpoint: Checkpoint) -> [String] {
        var found: [String] = []
        for name in checkpoint.tensors.names {
            guard let cut = name.firstIndex(of: ".") else { continue }
            let prefix = String(name[...cut])
            if !found.contains(prefix), name.dropFirst(prefix.count).hasPrefix("embeddings.") { found.append(prefix) }
        }
        return found
    }

    /// Norms of files that were converted from TensorFlow.
    private static func renamed(_ name: String) -> String {
        for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] where name.hasSuffix(old) {
            return name.dropLast(old.count) + new
        }
        return name
    }

    /// Buffers that programs compute themselves.
    private static func isComputed(_ name: String) -> Bool {
        name.hasSuffix("position_ids") || name.hasSuffix("inv_freq") || name.hasSuffix("token_type_ids")
    }

    private static func configuration(_ checkpoint: Checkpoint, _ head: Head?) throws -> JSON {
        var members = checkpoint.configuration.json.object ?? JSONObject()
        members["architectures"] = [.string(try checkpoint.architecture(for: head?.use ?? "Model"))]
        for key in ["num_labels", "problem_type", "id2label", "label2id", "sbert_ce_default_activation_function"] {
            members[key] = nil
        }
        guard let head else { return .object(members) }
        members["id2label"] = .object(
            JSONObject(head.labels.enumerated().map { ("\($0.offset)", .string($0.element)) }))
        members["label2id"] = .object(
            JSONObject(head.labels.enumerated().map { ($0.element, .integer(Int64($0.offset))) }))
        if let problem = head.problem { members["problem_type"] = .string(problem) }
        return .object(members)
    }

    /// The trained parameters by the names of the folder.
    func parameters(_ trained: [Parameter]) -> [Parameter] {
        trained.map { Parameter(name: folder.name($0.name) ?? $0.name, role: $0.role, tensor: $0.tensor) }
    }

    /// What is stored as the model, where it is not the parameters themselves.
    func shown(_ loop: StepLoop, as type: DType?) throws -> [(String, Tensor)]? {
        guard isJoined else { return try loop.shownModel() }
        return try loop.withShownWeights { try tensors(as: type ?? .float32).map { ($0, try $1.copied()) } }
    }

    /// Every parameter as the folder holds it.
    /// - Parameter type: of matrices.
    func tensors(as type: DType) throws -> [(String, Tensor)] {
        try folder.tensors(all).map { name, tensor in
            let plain = tensor.detach()
            return (name, try plain.to(plain.rank > 1 ? type : .float32))
        }
    }
}
