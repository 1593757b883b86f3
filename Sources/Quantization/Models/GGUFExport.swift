import MartletFormats
import MartletInference
import MartletModels
import MartletTensor
import MartletTokenizers

/// Writes a model as a GGUF file: quantised by a recipe, or converted without loss.
///
/// ```swift
/// let export = try GGUFExport(ModelFiles(path: "runs/first"), recipe: .named("q4_k_m"))
/// export.notes.forEach { print($0) }
/// try export.write(to: "first.gguf") { done, of in print("\(done) of \(of)") }
/// ```
///
/// The file has all that the model's folder says: the keys of the architecture, the tokenizer, the chat template.
/// Tensors are made one after the other, and the file takes its name when it is whole.
public struct GGUFExport: Sendable {
    public let plans: [TensorPlan]
    public let recipe: QuantizationRecipe
    private let metadata: GGUFMetadata
    private let importance: ImportanceMatrix?
    private let file: String
    /// What readers of the file make of its tokenizer otherwise.
    private let tokenizerNote: String?
    /// Whether matrices become blocks, as far as their shapes let them.
    private var quantizes: Bool { plans.contains { ($0.wanted ?? $0.type).isQuantized } }

    /// - Parameters:
    ///   - overrides: tensors that get another type than the recipe's; the last that matches counts.
    ///   - importance: the mean square of what each column is multiplied with; better codes for the same bytes.
    /// - Throws: `QuantizationError`; `ModelError` for a family that GGUF has no architecture for; `TokenizerError` for a
    ///   tokenizer that such a file cannot hold.
    public init(
        _ files: ModelFiles, recipe: QuantizationRecipe, overrides: [TensorOverride] = [],
        importance: ImportanceMatrix? = nil
    ) throws {
        let contents = try files.checkpoint.ggufContents()
        let model = QuantizationRecipe.Model(
            layers: contents.layers, queryGroups: contents.queryGroups, experts: contents.experts,
            hasOutput: contents.hasOutput, hasImportance: importance != nil)
        plans = try recipe.plan(contents.tensors, in: model, overrides: overrides)
        var metadata = contents.metadata
        if files.checkpoint.gguf == nil {
            metadata["general.name"] = .string(Self.name(of: files.path))
            let size = contents.tensors.first { $0.name == "token_embd.weight" }?.shape.first ?? 0
            let tokenizer = try files.ggufTokenizer(vocabularySize: size)
            try tokenizer.add(to: &metadata)
            tokenizerNote =
                tokenizer.hasSearchedBytes
                ? "llama.cpp reads no bytes of Unigram vocabularies: characters that are no token become <unk> there"
                : nil
        } else {
            tokenizerNote = nil
        }
        metadata["general.file_type"] = .uint32(recipe.fileType)
        metadata["general.quantization_version"] = .uint32(2)
        if let importance { importance.describe(in: &metadata, tensors: contents.tensors) }
        try importance?.check(contents.tensors)
        self.metadata = metadata
        self.recipe = recipe
        self.importance = importance
        file = files.path
    }

    private static func name(of path: String) -> String {
        let parts = path.split(separator: "/").filter { $0 != "." }
        return parts.last.map(String.init) ?? "model"
    }

    /// What differs from what was asked for, one line each: types that a shape cannot take, tensors without importances.
    public var notes: [String] {
        var notes = plans.compactMap(\.note) + [tokenizerNote].compactMap(\.self)
        if let importance {
            let without = plans.filter {
                $0.type.isQuantized && importance.values(for: $0.source, columns: $0.shape.last ?? 0) == nil
            }
            if !without.isEmpty {
                notes.append(
                    "the importance matrix says nothing of \(without.count) of \(plans.count) tensors, whose columns count "
                        + "alike: " + without.prefix(4).map(\.name).joined(separator: ", ")
                        + (without.count > 4 ? ", …" : ""))
            }
        }
        return notes
    }

    /// Bytes of all tensors as written.
    public var byteCount: Int { plans.reduce(0) { $0 + $1.byteCount } }
    public var weightCount: Int { plans.reduce(0) { $0 + $1.shape.elementCount } }
    /// Bits of all tensors for each weight.
    public var bitsPerWeight: Double { 8 * Double(byteCount) / Double(max(weightCount, 1)) }

    /// - Parameter progress: tensors that are done, and how many there are. What it throws ends the writing, and nothing
    ///   is left of it.
    public func write(to path: String, progress: (Int, Int) throws -> Void = { _, _ in }) throws {
        var writer = GGUFWriter()
        writer.metadata = metadata
        let planned = plans.map { plan in
            GGUFWriter.Planned(name: plan.name, shape: plan.shape, dtype: plan.type) { try encoded(plan) }
        }
        try writer.write(planned, to: path) { try progress($0, planned.count) }
        try progress(planned.count, planned.count)
    }

    private func encoded(_ plan: TensorPlan) throws -> Tensor {
        let tensor = try plan.source.make()
        return try QuantizationError.naming(plan.name, in: file) {
            // What gets no codes of its own is held to what codes can be made of.
            if quantizes, !plan.type.isQuantized || plan.type == tensor.dtype { try tensor.checkFinite() }
            let importance = importance?.values(for: plan.source, columns: plan.shape.last ?? 0)
            guard let importance, importance.count > 1, plan.type.isQuantized else {
                return try tensor.quantized(to: plan.type, importance: importance?.first)
            }
            // A stack of experts: each by what it has seen.
            let parts = try importance.enumerated().map { index, values in
                try tensor.slice(index).quantized(to: plan.type, importance: values)
            }
            return Tensor(filling: plan.shape, dtype: plan.type) { target in
                var offset = 0
                for part in parts {
                    part.forEachHostRun { run in
                        UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + run.count]).copyMemory(
                            from: run)
                        offset += run.count
                    }
                }
            }
        }
    }
}

extension Tensor {
    /// Matrix `index` of a stack, as it is stored.
    func slice(_ index: Int) -> Tensor {
        let part = contiguous().leadingRows(index, count: 1)
        return Tensor(
            storage: part.storage, byteOffset: part.byteOffset, dtype: dtype, shape: Shape(Array(shape.dropFirst())))
    }
}
