import MartletModels
import MartletTensor

/// Path patching: how much of the difference between two prompts goes from each head to one receiver, along paths through
/// no other head.
///
/// The clean prompt is run with one head's output of the corrupted one, while all other heads keep their clean outputs
/// (feed-forward layers are computed, or kept too); what reaches the receiver is put into another clean run:
///
///     effect = (d(clean) − d(patched)) / (d(clean) − d(corrupted)),   d = logit(answer) − logit(wrong)
///
/// 1 is the whole difference, 0 none of it.
///
/// Source: Wang et al. 2022 (indirect object identification); Goldowsky-Dill et al. 2023.
public struct PathPatching: Sendable {
    /// What the paths lead to.
    public enum Receiver: Sendable, Equatable {
        /// The residual stream after the last layer: direct effects on the logits.
        case logits
        /// Queries, keys or values of a layer (`attention.queries`, …), of one head or of all.
        case activation(ActivationName, head: Int?)
    }

    public var receiver: Receiver
    public var clean: Double, corrupted: Double
    /// `[layers][heads]`; 0 where a head comes after the receiver.
    public var effects: [[Double]]

    /// - Parameter throughFeedForward: whether feed-forward layers between sender and receiver are computed again.
    /// - Throws: `InterpretabilityError` for prompts of different lengths or with equal answers, or a receiver that is no
    ///   input of attention; `CancellationError`.
    public init(
        _ probe: ModelProbe, clean: [Int32], corrupted: [Int32], answer: Int32, wrong: Int32,
        receiver: Receiver = .logits, throughFeedForward: Bool = true, isCancelled: () -> Bool = { false },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        let metric = AnswerDifference(answer, less: wrong)
        self.receiver = receiver
        let layers = probe.layerCount, heads = probe.headCount
        func parts(_ name: ActivationName) -> Int {
            name.part == .queries ? heads : probe.decoder.configuration.layers[name.layer].attention.keyValueHeads
        }
        var last = layers
        var names: Set<ActivationName> = []
        if case .activation(let name, let head) = receiver {
            guard [.queries, .keys, .values].contains(name.part), (0..<layers).contains(name.layer) else {
                throw InterpretabilityError.badInput("paths lead to queries, keys or values of a layer, not to \(name)")
            }
            let count = parts(name)
            guard head.map({ (0..<count).contains($0) }) ?? true else {
                throw InterpretabilityError.badInput("\(name) has the heads 0 to \(count - 1)")
            }
            last = name.layer
            names = [name]
        }
        var frozen = Set((0..<layers).map { ActivationName(layer: $0, .heads) })
        if !throughFeedForward { frozen.formUnion((0..<layers).map { ActivationName(layer: $0, .feedForwardUpdate) }) }
        let (good, bad) = try metric.passes(probe, clean: clean, corrupted: corrupted, keeping: frozen.union(names))
        (self.clean, self.corrupted) = (try metric(good), try metric(bad))
        let base = self.clean, span = try metric.span(self.clean, self.corrupted)
        let kept = try frozen.map { ActivationEdit.replace($0, with: try good($0)) }
        var done = 0
        func effect(_ layer: Int, _ head: Int) throws -> Double {
            if isCancelled() { throw CancellationError() }
            let other = try bad(ActivationName(layer: layer, .heads))
            // After the clean outputs are put there, this head's is replaced again.
            let edits = kept + [.replaceHead(layer, head, of: heads, with: other)]
            let sent = try probe.run(clean, keeping: names, editing: edits, lastOnly: true)
            defer {
                done += 1
                progress(done, last * heads)
            }
            guard case .activation(let name, let own) = receiver else { return (base - (try metric(sent))) / span }
            let received = try sent(name)
            let edit =
                own.map { ActivationEdit.replaceColumns(name, part: $0, of: parts(name), with: received) }
                ?? .replace(name, with: received)
            let patched = try probe.run(clean, keeping: [] as Set, editing: [edit], lastOnly: true)
            return (base - (try metric(patched))) / span
        }
        effects = try (0..<layers).map { layer in
            try (0..<heads).map { layer < last ? try effect(layer, $0) : 0 }
        }
    }
}

/// d = logit(answer) − logit(wrong) after the last token, and the two passes that patching begins with.
struct AnswerDifference {
    let answer, wrong: Int32

    init(_ answer: Int32, less wrong: Int32) { (self.answer, self.wrong) = (answer, wrong) }

    func callAsFunction(_ pass: ProbedPass) throws -> Double {
        let logits = try pass.lastLogits()
        guard [answer, wrong].allSatisfy({ logits.indices.contains(Int($0)) }) else {
            throw InterpretabilityError.badInput("the tokens \(answer) and \(wrong) are not both in the vocabulary")
        }
        return Double(logits[Int(answer)]) - Double(logits[Int(wrong)])
    }

    /// - Throws: `InterpretabilityError.lengthsDiffer`.
    func passes(
        _ probe: ModelProbe, clean: [Int32], corrupted: [Int32], keeping names: Set<ActivationName>
    ) throws -> (clean: ProbedPass, corrupted: ProbedPass) {
        guard clean.count == corrupted.count else {
            throw InterpretabilityError.lengthsDiffer(clean: clean.count, corrupted: corrupted.count)
        }
        return (
            try probe.run(clean, keeping: names, lastOnly: true),
            try probe.run(corrupted, keeping: names, lastOnly: true)
        )
    }

    /// What the two prompts differ in.
    /// - Throws: where that is nothing.
    func span(_ clean: Double, _ corrupted: Double) throws(InterpretabilityError) -> Double {
        guard abs(clean - corrupted) > 1e-6 else {
            throw .badInput("both prompts prefer the answer by the same: nothing can be restored")
        }
        return clean - corrupted
    }
}
