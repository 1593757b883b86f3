import MartletSystem
import MartletTensor

/// A debug state of llm.c: tokens, targets, and the logits, loss and gradients that the model beside it gives on them, by
/// which another program's forward and backward pass are checked.
///
/// Source: llm.c, `write_state` of train_gpt2.py (magic 20240327, version 2).
///
/// ```swift
/// let state = try LLMCState(path: "gpt2_124M_debug_state.bin", of: LLMCFile(path: "gpt2_124M.bin"))
/// let gradient = state.gradients["transformer.wpe.weight"]
/// ```
public struct LLMCState: Sendable {
    static let magic = 20_240_327

    /// `[batch, length]`
    public let tokens: Tensor
    /// What comes after each token: `[batch, length]`
    public let targets: Tensor
    /// `[batch, length, vocabulary]`
    public let logits: Tensor
    public let loss: Float
    /// By the names of the model's tensors; matrices `[out, in]`.
    public let gradients: [String: Tensor]

    public init(tokens: Tensor, targets: Tensor, logits: Tensor, loss: Float, gradients: [String: Tensor]) {
        self.tokens = tokens
        self.targets = targets
        self.logits = logits
        self.loss = loss
        self.gradients = gradients
    }

    /// - Parameter model: the file does not say the model's sizes.
    /// - Throws: `FormatError` for another format or version, and where the length is not that of such a model.
    public init(path: String, of model: LLMCFile) throws(FormatError) { try self.init(path: path, of: model.sizes) }

    /// - Parameter sizes: those of the model; the file does not say them.
    /// - Throws: as above, and where a token is none of the model's.
    public init(path: String, of sizes: LLMCFile.Sizes) throws(FormatError) {
        let file = try MappedFile.open(path, copying: false)
        guard file.bytes.count >= LLMCFile.headerByteCount, file.number(0) == Self.magic else {
            throw FormatError(.malformed, path: path, field: "header", "is not that of a debug state of llm.c")
        }
        guard file.number(1) == 2 else {
            throw FormatError(.unsupported, path: path, field: "version", "is \(file.number(1)), expected 2")
        }
        let batch = file.number(2), length = file.number(3)
        guard (1...1 << 20).contains(batch), (1...sizes.context).contains(length) else {
            throw FormatError(
                .malformed, path: path, field: "header",
                "says \(batch) texts of \(length) tokens; the model sees \(sizes.context)")
        }
        var list = FlatTensors(path: path, offset: LLMCFile.headerByteCount)
        try list.add("x", [batch, length], .int32)
        try list.add("y", [batch, length], .int32)
        try list.add("logits", [batch, length, sizes.vocabulary], .float32)
        try list.add("loss", [1], .float32)
        for (name, shape) in sizes.tensors { try list.add(name, shape, .float32) }
        guard file.bytes.count == list.offset else {
            throw FormatError(
                .malformed, path: path,
                "has \(file.bytes.count) bytes; of this model a state of \(batch) × \(length) tokens has \(list.offset)"
            )
        }
        func read(_ name: String) throws(FormatError) -> Tensor {
            try list.index.require(name, path: path).entry.tensor(in: file)
        }
        tokens = try read("x")
        targets = try read("y")
        for index in 0..<2 * batch * length {
            let token = file.number(LLMCFile.headerByteCount / 4 + index)
            guard (0..<sizes.vocabulary).contains(token) else {
                throw FormatError(
                    .malformed, path: path, field: index < batch * length ? "tokens" : "targets",
                    "holds the token \(token); the model has 0 to \(sizes.vocabulary - 1)")
            }
        }
        logits = try read("logits")
        loss = Float(
            bitPattern: UInt32(
                littleEndian: file.bytes.loadUnaligned(
                    fromByteOffset: list.index["loss"]?.fileOffset ?? 0, as: UInt32.self)))
        var gradients: [String: Tensor] = [:]
        for (name, _) in sizes.tensors {
            let whole = try read(name)
            gradients[name] = name == LLMCFile.embeddings ? whole.leadingRows(0, count: sizes.vocabulary) : whole
        }
        self.gradients = gradients
        try file.recheck()
    }

    /// Writes the state as train_gpt2.py does, the gradient of the embeddings padded with zeros.
    /// - Throws: `FormatError` where a gradient is missing or is not of its parameter's shape.
    public func write(to path: String, of sizes: LLMCFile.Sizes) throws(FormatError) {
        let shape: Shape = [tokens.shape.first ?? 0, tokens.shape.last ?? 0]
        guard tokens.dtype == .int32, targets.dtype == .int32, tokens.shape == shape, targets.shape == shape,
            logits.dtype == .float32, logits.shape == [shape[0], shape[1], sizes.vocabulary]
        else {
            throw FormatError(
                .malformed, path: path, field: "state",
                "tokens \(tokens.shape), targets \(targets.shape) and logits \(logits.shape) do not fit each other")
        }
        var parts: [(tensor: Tensor, padding: Int)] = [(tokens, 0), (targets, 0), (logits, 0)]
        parts.append((Tensor(filling: [1], dtype: .float32) { $0.storeBytes(of: loss, as: Float.self) }, 0))
        for (name, full) in sizes.tensors {
            let own = name == LLMCFile.embeddings ? [sizes.vocabulary, sizes.width] : full
            guard let found = gradients[name], found.dtype == .float32, found.shape == Shape(own) else {
                let shape = gradients[name].map { "is \($0.shape)" } ?? "is missing"
                throw FormatError(.malformed, path: path, field: "gradient \(name)", "\(shape), expected \(own)")
            }
            parts.append((found, 4 * (full.reduce(1, *) - own.reduce(1, *))))
        }
        do throws(FileError) {
            try AtomicFile.write(path) { (file) throws(FileError) in
                try file.write(header: [Self.magic, 2, shape[0], shape[1]])
                for (tensor, padding) in parts {
                    try file.write(contiguous: tensor)
                    try file.write([UInt8](repeating: 0, count: padding))
                }
            }
        } catch { throw FormatError(error) }
    }
}

extension FileWriter {
    /// llm.c's header: 256 32-bit numbers, of which the first are said.
    package func write(header numbers: [Int]) throws(FileError) {
        var bytes: [UInt8] = []
        for index in 0..<256 {
            let value = UInt32(bitPattern: Int32(clamping: index < numbers.count ? numbers[index] : 0))
            for shift in stride(from: UInt32(0), to: 32, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> shift))
            }
        }
        try write(bytes)
    }
}
