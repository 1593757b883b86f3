import MartletInference
import MartletModels
import MartletNN
import MartletTensor

/// A change of activations in a pass.
public struct ActivationEdit {
    public var name: ActivationName
    /// The tensor that takes the place of the one there; nil leaves it.
    public var change: (Tensor) throws -> Tensor?

    public init(_ name: ActivationName, _ change: @escaping (Tensor) throws -> Tensor?) {
        (self.name, self.change) = (name, change)
    }

    /// Another pass's tensor, whole or at some rows (tokens).
    public static func replace(_ name: ActivationName, with other: Tensor, rows: Range<Int>? = nil) -> ActivationEdit {
        ActivationEdit(name) { own in
            guard let rows else { return other }
            return try Self.mixed(own, other, axis: name.part == .pattern ? 1 : 0, rows)
        }
    }

    /// Another pass's output of one head (`attention.heads`).
    public static func replaceHead(_ layer: Int, _ head: Int, of heads: Int, with other: Tensor) -> ActivationEdit {
        replaceColumns(ActivationName(layer: layer, .heads), part: head, of: heads, with: other)
    }

    /// Another pass's columns: one of so many equal parts, as the queries of a head are.
    public static func replaceColumns(
        _ name: ActivationName, part: Int, of parts: Int, with other: Tensor
    ) -> ActivationEdit {
        ActivationEdit(name) { own in
            let size = own.shape[1] / max(parts, 1)
            return try Self.mixed(own, other, axis: 1, part * size..<(part + 1) * size)
        }
    }

    /// strength · vector added to every row.
    public static func add(_ name: ActivationName, _ vector: [Float], strength: Float = 1) -> ActivationEdit {
        ActivationEdit(name) { own in
            let step = try Tensor(vector.map { $0 * strength }, shape: [1, vector.count])
            return try own + step
        }
    }

    /// `own` with a range of `other`.
    private static func mixed(_ own: Tensor, _ other: Tensor, axis: Int, _ range: Range<Int>) throws -> Tensor {
        let result = own.copied(), count = own.shape[axis]
        guard other.shape == own.shape, range.lowerBound >= 0, range.upperBound <= count else {
            throw InterpretabilityError.badInput(
                "\(range.lowerBound)…\(range.upperBound) of \(other.shape) is not there in \(own.shape)")
        }
        let part = try result.slice(axis, from: range.lowerBound, to: range.upperBound)
        try part.copy(from: other.slice(axis, from: range.lowerBound, to: range.upperBound))
        return result
    }
}

/// One forward pass: its logits and the activations that were asked for.
public struct ProbedPass {
    public var tokens: [Int32]
    /// `[tokens, vocabulary]`; the last row alone where no other was asked for.
    public var logits: Tensor
    public var activations: [ActivationName: Tensor] = [:]

    /// - Throws: `InterpretabilityError.notSeen`.
    public func callAsFunction(_ name: ActivationName) throws(InterpretabilityError) -> Tensor {
        guard let tensor = activations[name] else { throw .notSeen("\(name)") }
        return tensor
    }

    /// The logits after the last token.
    public func lastLogits() throws -> [Float] {
        try logits.leadingRows(logits.shape[0] - 1, count: 1).toArray()
    }
}

/// Looks into a model: keeps activations of a pass by name, and puts others in their place.
///
/// ```swift
/// let probe = ModelProbe(model)
/// let tokens = try model.tokenizer.encode("The capital of France is")
/// let clean = try probe.run(tokens, keeping: ["layers.*.residual.after"])
/// let edit = ActivationEdit.replace(ActivationName(layer: 3, .residualAfter), with: other, rows: 4..<5)
/// let patched = try probe.run(tokens, editing: [edit])
/// ```
///
/// A pass that only keeps, and one that puts every activation's own copy in its place, has the bits of a pass that nobody
/// looks at. Memory grows with layers · heads · tokens², so it is meant for short texts.
public final class ModelProbe {
    public let decoder: Decoder
    public let precision: Precision
    public static let tokenLimit = 512

    public init(_ model: LanguageModel) {
        (decoder, precision) = (model.decoder, model.precision)
    }

    public init(_ decoder: Decoder, precision: Precision = .exact) {
        (self.decoder, self.precision) = (decoder, precision)
    }

    public var layerCount: Int { decoder.configuration.layerCount }
    public var headCount: Int { decoder.configuration.attention.heads }

    /// Every activation that a pass of this model shows, layer by layer.
    public var names: [ActivationName] {
        decoder.configuration.layers.enumerated().flatMap { layer, spec -> [ActivationName] in
            let isParallel = [.parallel, .parallelShared].contains(spec.normPlacement)
            let isLatent = spec.attention.latent != nil, attends = spec.recurrent == nil, feeds = spec.hasFeedForward
            let experts = spec.feedForward.experts
            return ActivationName.Part.allCases.filter { part in
                switch part {
                case .residualBefore, .residualAfter: true
                case .heads: attends
                case .residualMiddle: !isParallel
                case .projectedQueries, .projectedKeys, .queries, .keys, .values, .pattern: !isLatent && attends
                // The sum is normalised, not what is added.
                case .attentionUpdate: spec.normPlacement != .after
                case .feedForwardUpdate: spec.normPlacement != .after && feeds
                case .preActivation, .neurons: experts == nil && feeds
                case .linear: experts == nil && spec.feedForward.isGated && feeds
                case .router:
                    if let experts { if case .sparseMixer = experts.scoring { false } else { true } } else { false }
                }
            }.map { ActivationName(layer: layer, $0) }
        }
    }

    /// - Parameter names: names or patterns of activations.
    /// - Throws: `InterpretabilityError`, `ModelError`, what an edit throws.
    public func run(
        _ tokens: [Int32], keeping names: [String] = [], editing edits: [ActivationEdit] = []
    ) throws -> ProbedPass {
        let layers = layerCount
        let kept = try names.flatMap { try ActivationName.names($0, layerCount: layers) }
        return try run(tokens, keeping: Set(kept), editing: edits)
    }

    /// Activations alone: the pass ends where the last of them is seen, and nothing after it is computed, no logits either.
    /// - Throws: as `run`.
    public func activations(
        _ tokens: [Int32], keeping names: Set<ActivationName>
    ) throws -> [ActivationName: Tensor] {
        try demand(tokens)
        var kept: [ActivationName: Tensor] = [:]
        let needsPatterns = names.contains { $0.part == .pattern }
        let observation = DecoderObservation(keepsState: needsPatterns) { site, tensor in
            let name = ActivationName(site)
            if names.contains(name) { kept[name] = tensor.copied() }
            if kept.count == names.count { throw EverythingSeen() }
            return nil
        }
        do {
            _ = try noGrad { try decoder.hiddenStates(tokens, observing: observation, precision: precision) }
        } catch is EverythingSeen {}
        if let missing = names.first(where: { kept[$0] == nil }) { throw InterpretabilityError.notSeen("\(missing)") }
        return kept
    }

    private struct EverythingSeen: Error {}

    private func demand(_ tokens: [Int32]) throws(InterpretabilityError) {
        guard (1...Self.tokenLimit).contains(tokens.count) else {
            throw .badInput("a text of \(tokens.count) tokens cannot be looked into; from 1 to \(Self.tokenLimit) are")
        }
    }

    /// - Parameter lastOnly: logits after the last token only.
    /// - Throws: as `run` with names of text.
    public func run(
        _ tokens: [Int32], keeping names: Set<ActivationName>, editing edits: [ActivationEdit] = [],
        lastOnly: Bool = false
    ) throws -> ProbedPass {
        try demand(tokens)
        var kept: [ActivationName: Tensor] = [:]
        let changes = Dictionary(grouping: edits, by: \.name)
        var seen: Set<ActivationName> = []
        // Attention weights are computed a second time to be seen, which is only done where they are asked for.
        let needsPatterns = names.contains { $0.part == .pattern } || changes.keys.contains { $0.part == .pattern }
        let observation = DecoderObservation(keepsState: needsPatterns) { site, tensor in
            let name = ActivationName(site)
            var result: Tensor?
            for edit in changes[name] ?? [] {
                seen.insert(name)
                result = try edit.change(result ?? tensor) ?? result
            }
            if names.contains(name) { kept[name] = (result ?? tensor).copied() }
            return result
        }
        let logits = try noGrad {
            let hidden = try decoder.hiddenStates(tokens, observing: observation, precision: precision)
            return try decoder.logits(lastOnly ? hidden.leadingRows(tokens.count - 1, count: 1) : hidden)
        }
        if let missing = names.first(where: { kept[$0] == nil }) {
            throw InterpretabilityError.notSeen("\(missing)")
        }
        if let missing = changes.keys.first(where: { !seen.contains($0) }) {
            throw InterpretabilityError.notSeen("\(missing)")
        }
        return ProbedPass(tokens: tokens, logits: logits, activations: kept)
    }
}
