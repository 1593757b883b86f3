import MartletFormats
import MartletInference
import MartletModels
import MartletNN
import MartletTensor

/// Writes a GPT-2 as a `.bin` file of llm.c, and its gpt2_tokenizer.bin beside it.
public struct LLMCExport: Sendable {
    public let dtype: DType
    private let contents: LLMCContents
    private let files: ModelFiles
    private let tokenizer: FlatVocabulary?
    /// What is not as it was, one line each.
    public let notes: [String]

    /// - Parameter dtype: float32 (version 3) or bfloat16 (version 5).
    /// - Throws: `ModelError.unsupported` for a model that is no GPT-2 as llm.c computes it.
    public init(_ files: ModelFiles, dtype: DType = .float32) throws {
        guard dtype == .float32 || dtype == .bfloat16 else { throw QuantizationError.notPlain(dtype) }
        self.dtype = dtype
        self.files = files
        contents = try files.checkpoint.llmcContents()
        var notes = try files.checkpoint.warnings()
        let metadata = try? files.ggufTokenizer(vocabularySize: contents.sizes.vocabulary)
        if let metadata, let tokens = metadata.rawTokens(), tokens.allSatisfy({ (1...255).contains($0.count) }) {
            let end = metadata.eosID.map(Int.init) ?? tokens.count - 1
            tokenizer = FlatVocabulary(tokens: tokens, endOfText: end)
        } else {
            tokenizer = nil
            notes.append("no gpt2_tokenizer.bin is written: llm.c has no form for this model's tokenizer")
        }
        if contents.tensors.values.contains(where: { $0.stored?.isQuantized == true }) {
            notes.append("quantised tensors are written with the numbers that their blocks stand for")
        }
        self.notes = notes
    }

    /// - Parameter progress: tensors that are done, and how many there are.
    public func write(to path: String, progress: (Int, Int) throws -> Void = { _, _ in }) throws {
        let sizes = contents.sizes, names = sizes.tensors
        let file = try PendingFile(path)
        try file.writer.write(header: [
            20_240_326, dtype == .float32 ? 3 : 5, sizes.context, sizes.vocabulary, sizes.layers, sizes.heads,
            sizes.width,
            sizes.paddedVocabulary,
        ])
        for (number, part) in names.enumerated() {
            guard let tensor = contents.tensors[part.name] else {
                throw ModelError.missingTensors(file: path, names: [part.name])
            }
            let made = try tensor.make().quantized(to: dtype)
            try file.writer.write(contiguous: made)
            let missing = part.shape.reduce(1, *) - made.elementCount
            try file.writer.write([UInt8](repeating: 0, count: missing * dtype.blockByteCount))
            try progress(number + 1, names.count)
        }
        try file.commit()
        if let tokenizer {
            let name = AtomicFile.split(path).folder + "/gpt2_tokenizer.bin"
            try AtomicFile.write(name, bytes: tokenizer.llmcBytes(path: name))
        }
    }

    public var sizes: LLMCFile.Sizes { contents.sizes }

    /// What the model gives on a batch, computed in float32: a debug state, as llm.c's test_gpt2 reads it.
    /// - Parameters:
    ///   - x: `batch` texts of the same length, one after the other.
    ///   - y: the token that comes after each.
    public func state(tokens x: [Int32], targets y: [Int32], batch: Int) throws -> LLMCState {
        let length = x.count / max(batch, 1)
        guard batch > 0, length > 0, x.count == y.count, x.count == batch * length, length <= contents.sizes.context
        else {
            throw QuantizationError.shortText(name: "the text of the state", tokens: x.count, needed: max(batch, 1))
        }
        let (decoder, parameters) = try files.checkpoint.trainableDecoder()
        var logits: [Tensor] = [], loss = 0.0
        for text in 0..<batch {
            let range = text * length..<(text + 1) * length
            let rows = try decoder(Array(x[range]))  // [length, vocabulary]
            let picked = try rows.logSoftmax(axis: 1).gather(
                1, Tensor(y[range].map(Int64.init), shape: [length, 1]))
            let sum = try picked.sum(axes: [0, 1]) * (-1 / Float(batch * length))
            try sum.backward()
            loss += Double(try sum.detach().item(as: Float.self))
            logits.append(try rows.detach())
        }
        var gathered: [String: [(part: Int, tensor: Tensor)]] = [:]
        for parameter in parameters {
            let (name, part) = contents.place(of: parameter.name)
            let gradient = try parameter.tensor.gradient ?? Tensor.zeros(parameter.tensor.shape)
            gathered[name, default: []].append((part, gradient))
        }
        var gradients: [String: Tensor] = [:]
        for (name, parts) in gathered {
            gradients[name] = try Tensor.concatenate(parts.sorted { $0.part < $1.part }.map(\.tensor))
        }
        return LLMCState(
            tokens: try Tensor(x, shape: [batch, length]), targets: try Tensor(y, shape: [batch, length]),
            logits: try Tensor.concatenate(logits).view(batch, length, contents.sizes.vocabulary), loss: Float(loss),
            gradients: gradients)
    }
}
