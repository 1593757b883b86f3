import MartletJSON
import MartletSystem
import MartletTensor

/// A GPT-2 of llm.c, memory-mapped: 256 32-bit numbers (magic 20240326, version, sizes), then all tensors in float32
/// (version 3) or bfloat16 (version 5).
///
/// Source: llm.c, train_gpt2.py. Names are those of transformers' folders; matrices are `[out, in]`, not transposed as
/// there. Rows that pad the table of embeddings to a multiple of 128 are left out.
public final class LLMCFile: FlatModelFile {
    static let magic = 20_240_326
    package static let headerByteCount = 1024

    public let path: String
    /// 3 for float32, 5 for bfloat16.
    public let version: Int
    let sizes: Sizes
    private let file: MappedFile
    private let index: TensorIndex

    /// max_seq_len, vocab_size, num_layers, num_heads, channels and padded_vocab_size.
    public struct Sizes: Sendable, Equatable {
        public var context, vocabulary, layers, heads, width, paddedVocabulary: Int

        package init(context: Int, vocabulary: Int, layers: Int, heads: Int, width: Int, paddedVocabulary: Int) {
            self.context = context
            self.vocabulary = vocabulary
            self.layers = layers
            self.heads = heads
            self.width = width
            self.paddedVocabulary = paddedVocabulary
        }
    }

    public convenience init(path: String) throws(FormatError) { try self.init(MappedFile.open(path, copying: false)) }

    init(_ file: MappedFile) throws(FormatError) {
        func malformed(_ field: String, _ reason: String) -> FormatError {
            FormatError(.malformed, path: file.path, field: field, reason)
        }
        guard file.bytes.count >= Self.headerByteCount, file.number(0) == Self.magic else {
            throw malformed("header", "is not that of a GPT-2 of llm.c (\(Self.headerByteCount) bytes)")
        }
        version = file.number(1)
        guard version == 3 || version == 5 else {
            throw FormatError(
                .unsupported, path: file.path, field: "version",
                "is \(version); llm.c's models have 3 (float32) or 5 (bfloat16)")
        }
        let names = ["max_seq_len", "vocab_size", "num_layers", "num_heads", "channels", "padded_vocab_size"]
        let numbers = (0..<6).map { file.number(2 + $0) }
        for (name, number) in zip(names, numbers) {
            guard (1...(name == "num_layers" ? 10_000 : 1 << 24)).contains(number) else {
                throw malformed(name, "is \(number)")
            }
        }
        sizes = Sizes(
            context: numbers[0], vocabulary: numbers[1], layers: numbers[2], heads: numbers[3], width: numbers[4],
            paddedVocabulary: numbers[5])
        guard sizes.width % sizes.heads == 0 else {
            throw malformed("num_heads", "\(sizes.heads) do not divide channels = \(sizes.width)")
        }
        guard sizes.paddedVocabulary >= sizes.vocabulary else {
            throw malformed("padded_vocab_size", "is \(sizes.paddedVocabulary), less than \(sizes.vocabulary) tokens")
        }
        var tensors = FlatTensors(path: file.path, offset: Self.headerByteCount)
        let type: DType = version == 3 ? .float32 : .bfloat16
        for (name, shape) in sizes.tensors { try tensors.add(name, shape, type) }
        guard file.bytes.count == tensors.offset else {
            throw FormatError(
                .malformed, path: file.path,
                "has \(file.bytes.count) bytes; a GPT-2 of llm.c (version \(version)) of \(sizes.layers) layers, "
                    + "\(sizes.width) channels and \(sizes.paddedVocabulary) padded tokens has \(tensors.offset)")
        }
        self.file = file
        path = file.path
        index = tensors.index
    }

    public var form: String { "llm.c version \(version) (\(version == 3 ? "float32" : "bfloat16"))" }
    public var vocabularySize: Int { sizes.vocabulary }
    public var tokenizerNames: [String] { ["gpt2_tokenizer.bin"] }

    public var configuration: JSON {
        Self.configuration(of: sizes, dtype: version == 3 ? "float32" : "bfloat16")
    }

    package static func configuration(of sizes: Sizes, dtype: String) -> JSON {
        func number(_ value: Int) -> JSON { .integer(Int64(value)) }
        return [
            "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": number(sizes.vocabulary),
            "n_positions": number(sizes.context), "n_embd": number(sizes.width), "n_layer": number(sizes.layers),
            "n_head": number(sizes.heads), "layer_norm_epsilon": 0.00001, "activation_function": "gelu_new",
            "tie_word_embeddings": true, "bos_token_id": number(sizes.vocabulary - 1),
            "eos_token_id": number(sizes.vocabulary - 1), "torch_dtype": .string(dtype),
        ]
    }

    public var names: [String] { index.entries.map(\.name) }
    public func checkUnchanged() throws(FormatError) { try file.recheck() }

    public func entry(_ name: String) -> TensorEntry? {
        guard let entry = index[name], name == LLMCFile.embeddings else { return index[name] }
        let shape: Shape = [sizes.vocabulary, sizes.width]
        return TensorEntry(
            name: name, dtype: entry.dtype, typeName: entry.typeName, shape: shape,
            byteCount: entry.dtype?.byteCount(of: shape.elementCount) ?? 0, fileOffset: entry.fileOffset, path: path)
    }

    public func tensor(_ name: String) throws(FormatError) -> Tensor {
        guard let entry = entry(name) else {
            throw FormatError(.missing, path: path, "has no tensor \(FormatError.quote(name))")
        }
        return try entry.tensor(in: file)
    }

    package static let embeddings = "transformer.wte.weight"
}

extension LLMCFile.Sizes {
    /// The tensors of a file in their order, the table of embeddings padded: `write_tensors` of train_gpt2.py.
    package var tensors: [(name: String, shape: [Int])] {
        let inner: [(name: String, shape: [Int])] = [
            ("ln_1.weight", [width]), ("ln_1.bias", [width]), ("attn.c_attn.weight", [3 * width, width]),
            ("attn.c_attn.bias", [3 * width]), ("attn.c_proj.weight", [width, width]), ("attn.c_proj.bias", [width]),
            ("ln_2.weight", [width]), ("ln_2.bias", [width]), ("mlp.c_fc.weight", [4 * width, width]),
            ("mlp.c_fc.bias", [4 * width]), ("mlp.c_proj.weight", [width, 4 * width]), ("mlp.c_proj.bias", [width]),
        ]
        return [(LLMCFile.embeddings, [paddedVocabulary, width]), ("transformer.wpe.weight", [context, width])]
            + inner.flatMap { part in (0..<layers).map { ("transformer.h.\($0).\(part.name)", part.shape) } }
            + [("transformer.ln_f.weight", [width]), ("transformer.ln_f.bias", [width])]
    }

    /// Tokens rounded up to a multiple of 128, as train_gpt2.py pads them.
    package static func padded(_ vocabulary: Int) -> Int { (vocabulary + 127) / 128 * 128 }
}
