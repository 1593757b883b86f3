import MartletJSON
import MartletSystem
import MartletTensor

/// A model of llama2.c, memory-mapped: version 0 (seven numbers, then float32), version 1 (a header of 256 bytes with a
/// magic number, then float32) and version 2 (matrices as int8 in groups with a float32 scale each).
///
/// Source: llama2.c, export.py. Rows of queries and keys stand in pairs there, as Meta's; here they have the order of a
/// folder of transformers. Matrices of version 2 are given as Q8_0: the same codes, and each scale in half precision, for
/// every run of 32; where rows or groups are no whole number of 32, as float32.
public final class LLaMA2CFile: FlatModelFile {
    static let magic = 0x616b_3432

    public let path: String
    public let version: Int
    public let vocabularySize: Int
    /// Inputs that share a scale in version 2.
    public let groupSize: Int?
    /// Whether the output projection is the table of embeddings.
    public let sharesOutput: Bool
    let sizes: Sizes
    private let file: MappedFile
    private let index: TensorIndex

    /// dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size and max_seq_len.
    public struct Sizes: Sendable, Equatable {
        public var width, feedForward, layers, heads, keyValueHeads, vocabulary, context: Int

        package init(
            width: Int, feedForward: Int, layers: Int, heads: Int, keyValueHeads: Int, vocabulary: Int, context: Int
        ) {
            self.width = width
            self.feedForward = feedForward
            self.layers = layers
            self.heads = heads
            self.keyValueHeads = keyValueHeads
            self.vocabulary = vocabulary
            self.context = context
        }

        package var head: Int { width / max(heads, 1) }
        var keyWidth: Int { head * keyValueHeads }
    }

    public convenience init(path: String) throws(FormatError) {
        let file = try MappedFile.open(path, copying: false)
        guard
            let model = try file.bytes.count >= 28 && file.number(0) == Self.magic
                ? LLaMA2CFile(file) : Self.withoutMagic(file)
        else { throw FormatError(.malformed, path: path, "is no model of llama2.c") }
        try self.init(model.file, model.version, model.sizes, model.sharesOutput, model.groupSize)
    }

    /// A file that begins with the magic number.
    convenience init(_ file: MappedFile) throws(FormatError) {
        guard file.bytes.count >= 256 else {
            throw FormatError(.malformed, path: file.path, field: "header", "has \(file.bytes.count) of 256 bytes")
        }
        let version = file.number(1)
        guard version == 1 || version == 2 else {
            throw FormatError(
                .unsupported, path: file.path, field: "version", "is \(version); llama2.c's files have 0, 1 or 2")
        }
        let sizes = try Sizes(file, from: 2)
        guard file.bytes[36] <= 1 else {
            throw FormatError(
                .malformed, path: file.path, field: "shared_classifier", "is \(file.bytes[36]), expected 0 or 1")
        }
        var group: Int?
        if version == 2 {
            let size = Int(Int32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: 37, as: Int32.self)))
            guard size > 0, sizes.width % size == 0 else {
                throw FormatError(
                    .malformed, path: file.path, field: "group_size",
                    "is \(size), expected a divisor of dim = \(sizes.width)")
            }
            group = size
        }
        try self.init(file, version, sizes, file.bytes[36] == 1, group)
    }

    /// A file of version 0 is known by its seven numbers and its length.
    /// - Throws: where a `.bin` file has such numbers and another length.
    static func withoutMagic(_ file: MappedFile) throws(FormatError) -> LLaMA2CFile? {
        guard file.bytes.count >= 28, let sizes = try? Sizes(file, from: 0, takesNegative: true) else { return nil }
        do {
            return try LLaMA2CFile(file, 0, sizes, file.number(5) > 0, nil)
        } catch {
            guard file.path.hasSuffix(".bin") else { return nil }
            throw error
        }
    }

    private init(
        _ file: MappedFile, _ version: Int, _ sizes: Sizes, _ shares: Bool, _ group: Int?
    ) throws(FormatError) {
        var tensors = FlatTensors(path: file.path, offset: version == 0 ? 28 : 256)
        try Layout(version: version, sizes: sizes, sharesOutput: shares, groupSize: group).add(to: &tensors, file.path)
        guard file.bytes.count == tensors.offset else {
            throw FormatError(
                .malformed, path: file.path,
                "has \(file.bytes.count) bytes; a llama2.c model (version \(version)) of dim \(sizes.width), hidden_dim "
                    + "\(sizes.feedForward), \(sizes.layers) layers and \(sizes.vocabulary) tokens has \(tensors.offset)"
            )
        }
        path = file.path
        self.file = file
        self.version = version
        self.sizes = sizes
        sharesOutput = shares
        groupSize = group
        vocabularySize = sizes.vocabulary
        index = tensors.index
    }

    public var form: String {
        "llama2.c version \(version)" + (groupSize.map { " (int8 in groups of \($0))" } ?? "")
    }

    public var tokenizerNames: [String] { ["tokenizer.bin", "tok\(vocabularySize).bin"] }

    public var configuration: JSON { Self.configuration(of: sizes, sharesOutput: sharesOutput) }

    /// The numbers that run.c has built in are written out: the norm's epsilon and the base of the rotation. A text begins
    /// with token 1, which also ends the one before it.
    package static func configuration(of sizes: Sizes, sharesOutput: Bool) -> JSON {
        func number(_ value: Int) -> JSON { .integer(Int64(value)) }
        return [
            "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": number(sizes.vocabulary),
            "hidden_size": number(sizes.width), "intermediate_size": number(sizes.feedForward),
            "num_hidden_layers": number(sizes.layers), "num_attention_heads": number(sizes.heads),
            "num_key_value_heads": number(sizes.keyValueHeads), "max_position_embeddings": number(sizes.context),
            "rms_norm_eps": 0.00001, "rope_theta": 10000.0, "hidden_act": "silu",
            "tie_word_embeddings": .bool(sharesOutput), "bos_token_id": 1, "eos_token_id": [1, 2],
            "torch_dtype": "float32",
        ]
    }

    public var names: [String] { index.entries.map(\.name) }
    public func entry(_ name: String) -> TensorEntry? { index[name] }
    public func checkUnchanged() throws(FormatError) { try file.recheck() }

    public func tensor(_ name: String) throws(FormatError) -> Tensor { try tensor(name, isExact: false) }

    /// The same tensors with the scales of version 2 as they are stored, in float32: what another file is written from.
    package var exactly: any TensorSource { ExactTensors(file: self) }

    private struct ExactTensors: TensorSource {
        let file: LLaMA2CFile
        var names: [String] { file.names }
        func entry(_ name: String) -> TensorEntry? {
            guard let own = file.entry(name) else { return nil }
            return TensorEntry(
                name: name, dtype: .float32, typeName: DType.float32.name, shape: own.shape, byteCount: own.byteCount,
                fileOffset: own.fileOffset, path: own.path)
        }
        func tensor(_ name: String) throws(FormatError) -> Tensor { try file.tensor(name, isExact: true) }
        func checkUnchanged() throws(FormatError) { try file.checkUnchanged() }
    }

    private func tensor(_ name: String, isExact: Bool) throws(FormatError) -> Tensor {
        let (entry, _) = try index.require(name, path: path)
        let tensor: Tensor
        if let groupSize, entry.shape.rank == 2 {
            try file.recheck()
            tensor = try quantized(entry, groupSize, isExact: isExact)
        } else {
            tensor = try entry.tensor(in: file)
        }
        guard HeadRows.areRotated(name) else { return tensor }
        return tensor.reordered(HeadRows.separated(tensor.shape[0], head: sizes.head))
    }

    /// int8 codes, then a float32 scale for each group of them.
    private func quantized(_ entry: TensorEntry, _ group: Int, isExact: Bool) throws(FormatError) -> Tensor {
        let count = entry.shape.elementCount, bytes = file.bytes, start = entry.fileOffset
        func scale(_ index: Int) -> Float {
            Float(
                bitPattern: UInt32(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: start + count + 4 * index, as: UInt32.self)))
        }
        for index in 0..<count / group where !(scale(index) >= 0 && scale(index).roundedToHalf.isFinite) {
            throw FormatError(
                .malformed, path: path, field: "tensor \(entry.name)", "scale \(index) is \(scale(index))")
        }
        guard entry.dtype == .q8_0, !isExact else {
            return Tensor(filling: entry.shape, dtype: .float32) { target in
                let values = target.bindMemory(to: Float.self)
                for index in 0..<count {
                    values[index] = Float(Int8(bitPattern: bytes[start + index])) * scale(index / group)
                }
            }
        }
        return Tensor(filling: entry.shape, dtype: .q8_0) { target in
            for block in 0..<count / 32 {
                target.storeBytes(
                    of: scale(block * 32 / group).halfBits.littleEndian, toByteOffset: block * 34,
                    as: UInt16.self)
                for index in 0..<32 { target[block * 34 + 2 + index] = bytes[start + block * 32 + index] }
            }
        }
    }
}

extension LLaMA2CFile.Sizes {
    /// Seven numbers from number `first` on.
    fileprivate init(_ file: MappedFile, from first: Int, takesNegative: Bool = false) throws(FormatError) {
        let names = ["dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "max_seq_len"]
        var numbers = (0..<7).map { file.number(first + $0) }
        // In version 0 a negative number of tokens says that the output projection is stored.
        if takesNegative { numbers[5] = abs(numbers[5]) }
        for (name, number) in zip(names, numbers) {
            guard (1...(name == "n_layers" ? 10_000 : 1 << 24)).contains(number) else {
                throw FormatError(.malformed, path: file.path, field: name, "is \(number)")
            }
        }
        self.init(
            width: numbers[0], feedForward: numbers[1], layers: numbers[2], heads: numbers[3],
            keyValueHeads: numbers[4], vocabulary: numbers[5], context: numbers[6])
        guard width % heads == 0, head % 2 == 0, heads % keyValueHeads == 0 else {
            throw FormatError(
                .malformed, path: file.path, field: "n_heads",
                "dim = \(width), \(heads) heads and \(keyValueHeads) key heads do not divide each other")
        }
    }
}

extension LLaMA2CFile {
    /// The order of the tensors in a file, which its reader and its writer share.
    package struct Layout {
        package let version: Int
        package let sizes: Sizes
        package let sharesOutput: Bool
        package let groupSize: Int?

        package init(version: Int, sizes: Sizes, sharesOutput: Bool, groupSize: Int?) {
            self.version = version
            self.sizes = sizes
            self.sharesOutput = sharesOutput
            self.groupSize = groupSize
        }

        package enum Part {
            case tensor(String, [Int])
            /// cos and sin of the rotation, which run.c computes itself: so many float32 numbers.
            case rotation(Int)
        }

        package var parts: [Part] {
            let s = sizes
            func each(_ module: String, _ shape: [Int]) -> [Part] {
                (0..<s.layers).map { .tensor("model.layers.\($0).\(module).weight", shape) }
            }
            let embeddings = Part.tensor("model.embed_tokens.weight", [s.vocabulary, s.width])
            let attention =
                each("self_attn.q_proj", [s.width, s.width]) + each("self_attn.k_proj", [s.keyWidth, s.width])
                + each("self_attn.v_proj", [s.keyWidth, s.width]) + each("self_attn.o_proj", [s.width, s.width])
            let feedForward =
                each("mlp.gate_proj", [s.feedForward, s.width]) + each("mlp.down_proj", [s.width, s.feedForward])
                + each("mlp.up_proj", [s.feedForward, s.width])
            let before = each("input_layernorm", [s.width]), after = each("post_attention_layernorm", [s.width])
            let last = Part.tensor("model.norm.weight", [s.width])
            let output = sharesOutput ? [] : [Part.tensor("lm_head.weight", [s.vocabulary, s.width])]
            if version == 0 {
                return [embeddings] + before + attention + after + feedForward + [last]
                    + [.rotation(s.context * s.head)] + output
            }
            return before + after + [last, embeddings] + attention + feedForward + output
        }

        func add(to tensors: inout FlatTensors, _ path: String) throws(FormatError) {
            for part in parts {
                switch part {
                case .rotation(let count): try tensors.skip(count, .float32)
                case .tensor(let name, let shape):
                    guard let groupSize, shape.count == 2 else {
                        try tensors.add(name, shape, .float32)
                        continue
                    }
                    guard let count = Int.product(shape[0], shape[1]), count % groupSize == 0,
                        let bytes = Int.sum(count, count / groupSize * 4)
                    else {
                        throw FormatError(
                            .malformed, path: path, field: "tensor \(name)",
                            "\(shape) is no whole number of groups of \(groupSize)")
                    }
                    let isBlocks = groupSize % 32 == 0 && shape[1] % 32 == 0
                    try tensors.add(name, shape, isBlocks ? .q8_0 : .float32, byteCount: bytes)
                }
            }
        }
    }
}
