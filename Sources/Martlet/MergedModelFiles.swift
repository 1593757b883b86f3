import MartletAdapters
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletQuantization
import MartletTensor
import MartletTokenizers
import MartletTraining

/// A merged model as a folder that Martlet and transformers open: weights, configuration, tokenizer, what ends a reply.
public struct MergedFolder {
    private let files: ModelFiles
    private let decoder: Decoder
    private let type: DType

    /// - Parameters:
    ///   - decoder: opened in the form of folders (`Checkpoint.publishedDecoder`), and merged.
    ///   - type: "float32", "float16" or "bfloat16".
    public init(_ files: ModelFiles, _ decoder: Decoder, type: String?) throws {
        self.files = files
        self.decoder = decoder
        self.type = try Self.type(type)
    }

    /// The type of a folder's matrices by its name: "float32", "float16" or "bfloat16".
    public static func type(_ name: String?) throws -> DType {
        let types: [String: DType] = [
            "float32": .float32, "f32": .float32, "float16": .float16, "f16": .float16, "bfloat16": .bfloat16,
            "bf16": .bfloat16,
        ]
        guard let known = types[name ?? "float32"] else {
            throw OptionError(
                option: "to", value: name ?? "", expected: "float32, float16 or bfloat16; a .gguf has quantised types")
        }
        return known
    }

    public func write(to path: String) throws {
        try write(PublishedModel.tensors(decoder, as: type), to: path) { $0 }
    }

    /// A deeper model of the same files.
    public func write(_ expansion: BlockExpansion, to path: String) throws {
        try write(expansion.tensors, to: path) { expansion.configuration($0) }
    }

    /// A model of the same files that has further tokens.
    /// - Parameters:
    ///   - texts: of the tokens; none is one already.
    ///   - areSpecial: whether they are left out of text that people read.
    /// - Returns: their ids.
    public func write(adding texts: [String], areSpecial: Bool, to path: String) throws -> Range<Int> {
        let tokenizer = try files.tokenizer()
        for (index, text) in texts.enumerated() {
            if let id = tokenizer.id(of: text) {
                throw AdapterError(.configuration, "\(text.quoted()) is a token of the model already, number \(id)")
            }
            guard !text.isEmpty, !texts[..<index].contains(text) else {
                throw AdapterError(.configuration, "\(text.quoted()) is given as a token twice, or has no text")
            }
        }
        let expansion = try TokenExpansion(decoder, adding: texts.count, to: tokenizer.vocabularySize)
        try PEFTFolder.fill(path) {
            try fill(path, expansion.tensors, expansion.configuration) {
                try AddedTokenFiles.adding(texts, from: expansion.ids.lowerBound, areSpecial: areSpecial, to: $0)
            }
            // What was written is what was meant: tokenizers of some kinds take no further tokens.
            let written = try ModelFiles(path: path).tokenizer()
            for (id, text) in zip(expansion.ids, texts)
            where try written.encode(text, addSpecialTokens: false) != [Int32(id)] {
                throw AdapterError(
                    .unsupported, "the model's tokenizer does not read \(text.quoted()) as a token of its own")
            }
        }
        return expansion.ids
    }

    private func write(_ tensors: [(String, Tensor)], to path: String, _ configuration: (JSON) -> JSON) throws {
        try PEFTFolder.fill(path) { try fill(path, tensors, configuration) { $0 } }
    }

    private func fill(
        _ path: String, _ tensors: [(String, Tensor)], _ configuration: (JSON) -> JSON,
        _ changed: ([(name: String, bytes: [UInt8])]) throws -> [(name: String, bytes: [UInt8])]
    ) throws {
        try SafetensorsWriter.write(tensors, toFolder: path)
        let all = try changed(StartingModel.files(of: files, savedAs: type.transformersName))
        // config.json comes last: without it the folder is no model yet.
        for (name, bytes) in all.filter({ $0.name != "config.json" }) + all.filter({ $0.name == "config.json" }) {
            try makeFolder(of: name, in: path)
            var own = bytes
            if name == "config.json" {
                let before = try JSON(parsing: bytes), after = try untied(tensors, configuration(before))
                if after != before { own = after.bytes(indent: 2) }
            }
            try AtomicFile.write(path + "/" + name, bytes: own)
        }
    }

    /// Models of vectors have files in folders of their own, as `1_Pooling/config.json`.
    private func makeFolder(of name: String, in path: String) throws {
        let folder = AtomicFile.split(path + "/" + name).folder
        guard PEFTFolder.makeFolder(folder) else { throw AdapterError(.file, "the folder \(folder) cannot be made") }
    }

    /// The configuration of a model whose output projection no longer shares the embedding table, where it does not.
    private func untied(_ tensors: [(String, Tensor)], _ configuration: JSON) throws -> JSON {
        let isTied = try files.checkpoint.decoderConfiguration().tiedEmbeddings
        let hasHead = tensors.contains { $0.0 == "lm_head.weight" }
        guard isTied, hasHead, var members = configuration.object else { return configuration }
        members["tie_word_embeddings"] = false
        return .object(members)
    }
}

extension DType {
    fileprivate var transformersName: String {
        switch self {
        case .float16: "float16"
        case .bfloat16: "bfloat16"
        default: "float32"
        }
    }
}

/// A merged model as a GGUF file: the base's metadata and tensors, with the changed matrices quantised again.
public struct MergedFile {
    private let files: ModelFiles
    private let decoder: Decoder
    private let changed: Set<String>
    private let type: DType?

    public struct Outcome: Sendable {
        /// The matrices that were quantised again.
        public var quantised = 0
        /// "Q4_1, Q8_0"
        public var types = ""
        /// √(Σ (ŵ − w)² / Σ w²) over them: what encoding adds.
        public var error = 0.0
        /// √(Σ (w − w₀)² / Σ w²), w₀ being what was stored: how much the adapters change. Where it is not well above the
        /// error, their part is lost in the codes.
        public var change = 0.0
        /// Σ (ŵ − w₀)(w − w₀) / Σ (w − w₀)²: how much of the adapters' change is left. Near 1, however large the error of
        /// the codes is, where they are not so coarse that numbers fall back to what they were.
        public var kept = 1.0
    }

    /// - Parameters:
    ///   - decoder: opened as the file lies, and merged.
    ///   - changed: paths of what has changed.
    ///   - type: of the changed matrices; as they are stored where left out.
    public init(_ files: ModelFiles, _ decoder: Decoder, changed: [String], type name: String?) throws {
        self.files = files
        self.decoder = decoder
        self.changed = Set(changed)
        guard let name else {
            type = nil
            return
        }
        let known = DType.encodable + [.float32, .float16, .bfloat16]
        guard let found = known.first(where: { $0.name.lowercased() == name.lowercased() }) else {
            let names = Set(known.map { $0.name.lowercased() }).sorted().joined(separator: ", ")
            throw OptionError(option: "to", value: name, expected: "one of \(names)")
        }
        type = found
    }

    public func write(to path: String) throws -> Outcome {
        guard let file = files.checkpoint.gguf else {
            throw AdapterError(.unsupported, "\(files.path) is no GGUF file")
        }
        let merged = try GGUFMerge.tensors(decoder, changed: changed, names: Set(file.names))
        var writer = GGUFWriter(), outcome = Outcome(), missed = 0.0, moved = 0.0, total = 0.0, left = 0.0
        var types: Set<String> = []
        for (key, value) in file.metadata where !key.hasPrefix("split.") { writer.metadata[key] = value }
        // An adapter may have been tuned with another than the base's.
        if let template = try files.chatTemplateSource(files.tokenizer()) {
            writer.metadata["tokenizer.chat_template"] = .string(template)
        }
        for name in file.names {
            let stored = try file.tensor(name)
            guard let value = merged[name] else {
                writer.add(name, stored)
                continue
            }
            let target = value.rank == 1 ? .float32 : type ?? stored.dtype
            let encoded = try value.quantized(to: target)
            writer.add(name, encoded)
            if target.isQuantized {
                let back = try encoded.to(.float32)
                missed += try (back - value).square().sum().item(as: Double.self)
                let before = try stored.to(.float32), change = try value - before
                moved += try change.square().sum().item(as: Double.self)
                left += try ((back - before) * change).sum().item(as: Double.self)
                total += try value.square().sum().item(as: Double.self)
                outcome.quantised += 1
                types.insert(target.name)
            }
        }
        for (name, value) in merged.sorted(by: { $0.key < $1.key }) where file.entry(name) == nil {
            writer.add(name, value)
        }
        outcome.types = types.sorted().joined(separator: ", ")
        outcome.error = total > 0 ? (missed / total).squareRoot() : 0
        outcome.change = total > 0 ? (moved / total).squareRoot() : 0
        outcome.kept = moved > 0 ? left / moved : 1
        try writer.write(to: path)
        return outcome
    }
}
