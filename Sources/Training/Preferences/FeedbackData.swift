import MartletChat
import MartletData
import MartletFormats
import MartletJSON
import MartletSystem
import MartletTokenizers

/// Pairs, or replies judged by themselves, as tokens: read once, what does not fit counted, some held out by prompt.
public struct FeedbackData {
    /// What a run learns from.
    public enum Kind: String, Sendable { case pairs, judged, steps }

    public let kind: Kind
    /// Of `pairs`; what is learnt, then what is held out.
    public private(set) var pairs: [Comparison] = []
    /// Of `judged`.
    public private(set) var judged: [JudgedSequence] = []
    /// Of `steps`.
    public private(set) var stepped: [SteppedSequence] = []
    /// Each prompt with the reply to another: what the policy's divergence from its reference is measured on (KTO).
    public private(set) var mismatched: [JudgedSequence] = []
    /// The last so many of them are held out.
    public private(set) var heldOutCount = 0
    /// What was left out or changed.
    public private(set) var tally = CorpusTally()
    /// How the records were understood, with the first of them.
    public private(set) var notes: [String] = []
    /// Of all tokens and judgements.
    public private(set) var fingerprint = ""
    /// The most tokens of a side.
    public let longest: Int

    public var count: Int { pairs.count + judged.count + stepped.count }
    public var trainingCount: Int { count - heldOutCount }
    /// Tokens that an epoch reads.
    public var tokenCount: Int {
        pairs.prefix(trainingCount).reduce(0) { $0 + $1.tokenCount }
            + judged.prefix(trainingCount).reduce(0) { $0 + $1.sequence.tokens.count - 1 }
            + stepped.prefix(trainingCount).reduce(0) { $0 + $1.tokens.count }
    }

    /// - Parameters:
    ///   - paths: files and folders, or names of data sets where `options.datasets` says what these are.
    ///   - kind: what is wanted: pairs become judged replies, a good one and a bad one each; the other way round does not
    ///     go.
    ///   - longest: tokens that a prompt with its reply may have; longer ones are left out and counted.
    ///   - heldOut: the share of prompts to hold out, from 1 on how many; 0.1 where left out.
    ///   - fold: which of the shares; those of 0, 1, 2 … have no prompt in common, as many as there are.
    ///   - onBadRecord: hears of each record that is passed over, where the policy is to report.
    /// - Throws: `DataError` naming file and record; `TrainingError` where nothing is left.
    public init(
        _ paths: [String], options: CorpusOptions, encoder: ChatEncoder, kind: Kind, longest: Int,
        heldOut: Double? = nil, fold: Int = 0, onBadRecord: @escaping (DataError) -> Void = { _ in }
    ) throws {
        self.kind = kind
        self.longest = longest
        var options = options
        options.feedback = .demanded
        let corpus = try Corpus(paths, options: options)
        corpus.onBadRecord = onBadRecord
        var rows = Rows()
        while let document = try corpus.nextDocument() {
            guard case .feedback(let feedback) = document.content else { continue }
            do {
                let isLong = try !rows.take(feedback, kind, encoder, longest: longest)
                if isLong { tally.add(.longPair, at: document.origin) }
            } catch {
                try corpus.passOver(
                    DataError(.malformed, path: document.path, place: document.place, "\(error)"))
                continue
            }
            if notes.isEmpty { notes = Self.told(feedback, document.origin) }
        }
        tally.add(corpus.tally)
        notes = corpus.notes + notes
        let share = DocumentSplit.share(
            heldOut ?? 0.1, of: rows.pairs.count + rows.judged.count + rows.stepped.count)
        heldOutCount = rows.order(share: share, fold: fold)
        pairs = rows.pairs.map(\.row)
        judged = rows.judged.map(\.row)
        stepped = rows.stepped.map(\.row)
        guard trainingCount > 0 else {
            let why = tally.entries.map(\.description).joined(separator: "; ")
            throw TrainingError(
                .data,
                "\(paths.joined(separator: ", ")): no pair of replies and no judged reply is in it"
                    + (why.isEmpty ? "" : " (\(why))")
                    + "; a record has prompt, chosen and rejected, or prompt, completion and label")
        }
        mismatched = Self.mismatched(judged, trainingCount: trainingCount, longest: longest)
        var hash = HashXX64()
        func add(_ chat: EncodedChat, _ mark: Double) {
            chat.tokens.withUnsafeBytes { hash.update($0) }
            withUnsafeBytes(of: (Int64(chat.tokens.count), chat.isTrained.firstIndex(of: true) ?? -1, mark)) {
                hash.update($0)
            }
        }
        for pair in pairs {
            add(pair.chosen, 1)
            add(pair.rejected, pair.margin ?? 0)
        }
        for row in judged { add(row.sequence, row.isDesirable ? 1 : 0) }
        for row in stepped {
            row.tokens.withUnsafeBytes { hash.update($0) }
            for step in row.steps {
                withUnsafeBytes(of: (Int64(step.place), Int64(step.isRight ? 1 : 0))) { hash.update($0) }
            }
        }
        fingerprint = "\(count) \(kind.rawValue), \(heldOutCount) held out, XXH64 \(String(hash.value, radix: 16))"
    }

    /// Rows with their prompts, which must not stand on both sides of a split.
    private struct Rows {
        var pairs: [(row: Comparison, prompt: [Int32])] = []
        var judged: [(row: JudgedSequence, prompt: [Int32])] = []
        var stepped: [(row: SteppedSequence, prompt: [Int32])] = []

        /// - Returns: false for one that is too long.
        mutating func take(
            _ feedback: Feedback, _ kind: Kind, _ encoder: ChatEncoder, longest: Int
        ) throws -> Bool {
            switch feedback {
            case .pair(let pair):
                guard kind != .steps else {
                    throw TrainingError(.data, "is a pair, where the records before are replies in steps")
                }
                let sides = try [pair.chosen, pair.rejected].map {
                    try encoder.reply($0, to: pair.prompt, tools: pair.tools, isText: pair.isText)
                }
                guard sides.allSatisfy({ $0.tokens.count <= longest }) else { return false }
                let prompt = sides[0].prompt
                if kind == .pairs {
                    pairs.append((Comparison(chosen: sides[0], rejected: sides[1], margin: pair.margin), prompt))
                } else {
                    judged += [
                        (JudgedSequence(sides[0], isDesirable: true), prompt),
                        (JudgedSequence(sides[1], isDesirable: false), prompt),
                    ]
                }
            case .judged(let one):
                guard kind == .judged else {
                    throw TrainingError(
                        .data, "is a reply judged by itself, and pairs are compared: --loss kto learns from such")
                }
                let sequence = try encoder.reply(one.reply, to: one.prompt, tools: one.tools, isText: one.isText)
                guard sequence.tokens.count <= longest else { return false }
                judged.append((JudgedSequence(sequence, isDesirable: one.isDesirable), sequence.prompt))
            case .steps(let steps):
                guard kind == .steps else {
                    throw TrainingError(.data, "is a reply in steps with labels: martlet reward learns from such")
                }
                let sequence = try encoder.stepped(steps)
                guard sequence.tokens.count <= longest else { return false }
                stepped.append((sequence, Array(sequence.tokens[...(sequence.steps.first?.place ?? 0)])))
            }
            return true
        }

        /// Puts rows of some prompts last. - Returns: how many.
        mutating func order(share: Double, fold: Int) -> Int {
            var prompts: [[Int32]: Int] = [:]
            let all = pairs.map(\.prompt) + judged.map(\.prompt) + stepped.map(\.prompt)
            for prompt in all where prompts[prompt] == nil { prompts[prompt] = prompts.count }
            guard prompts.count > 1 else { return 0 }
            let held = min(prompts.count - 1, Int((share * Double(prompts.count)).rounded()))
            let permutation = KeyedPermutation(count: prompts.count, key: 0x9E37)
            let first = fold.multiplied(clampedBy: held) % prompts.count
            let chosen = Set((0..<held).map { permutation((first + $0) % prompts.count) })
            func isHeld(_ prompt: [Int32]) -> Bool { prompts[prompt].map(chosen.contains) ?? false }
            let (learntPairs, heldPairs) = (pairs.filter { !isHeld($0.prompt) }, pairs.filter { isHeld($0.prompt) })
            let (learnt, heldRows) = (judged.filter { !isHeld($0.prompt) }, judged.filter { isHeld($0.prompt) })
            let (steps, heldSteps) = (stepped.filter { !isHeld($0.prompt) }, stepped.filter { isHeld($0.prompt) })
            stepped = steps + heldSteps
            pairs = learntPairs + heldPairs
            judged = learnt + heldRows
            return heldPairs.count + heldRows.count + heldSteps.count
        }
    }

    /// Each prompt with the reply to the nearest other prompt before, among what is learnt and among what is held out. Rows of
    /// one prompt stand together where they come from pairs.
    private static func mismatched(_ rows: [JudgedSequence], trainingCount: Int, longest: Int) -> [JudgedSequence] {
        guard !rows.isEmpty else { return [] }
        let prompts = rows.map(\.sequence.prompt)
        return [0..<trainingCount, trainingCount..<rows.count].flatMap { part in
            var other = part.last { prompts[$0] != prompts[part.lowerBound] } ?? part.upperBound - 1
            return part.map { index in
                if index > part.lowerBound, prompts[index - 1] != prompts[index] { other = index - 1 }
                let prompt = prompts[index], sequence = rows[other].sequence
                let start = sequence.prompt.count, room = max(1, longest - prompt.count)
                let reply = sequence.tokens[start...].prefix(room)
                let isTrained = prompt.map { _ in false } + Array(sequence.isTrained[start...].prefix(room))
                return JudgedSequence(
                    EncodedChat(tokens: prompt + reply, isTrained: isTrained), isDesirable: rows[index].isDesirable)
            }
        }
    }

    /// What a record was taken for.
    private static func told(_ feedback: Feedback, _ origin: String) -> [String] {
        func short(_ messages: [ChatMessage]) -> String {
            let text = messages.map { ($0.content ?? "").split(whereSeparator: \.isNewline).joined(separator: " ⏎ ") }
                .joined(separator: " | ")
            return text.count > 160 ? text.prefix(160) + "…" : text
        }
        switch feedback {
        case .pair(let pair):
            let prompt = pair.prompt.map(\.role).joined(separator: ", ")
            return [
                "\(origin) is a pair (\(pair.isText ? "plain texts" : prompt)\(pair.margin.map { ", margin \($0)" } ?? ""))",
                "  prompt: \(short(pair.prompt))", "  chosen: \(short(pair.chosen))",
                "  rejected: \(short(pair.rejected))",
            ]
        case .judged(let one):
            return [
                "\(origin) is a reply judged \(one.isDesirable ? "good" : "bad")", "  prompt: \(short(one.prompt))",
                "  reply: \(short(one.reply))",
            ]
        case .steps(let steps):
            return [
                "\(origin) is a reply in \(steps.steps.count) steps, \(steps.areRight.count { $0 }) of them right",
                "  prompt: \(short(steps.prompt))",
            ]
        }
    }

    // MARK: the reference

    /// Puts what a reference says of the rows beside them.
    mutating func setReference(_ scores: [(Double, Double)]) {
        for (index, score) in scores.enumerated() {
            if kind == .pairs {
                pairs[index].reference = Comparison.Sides(chosen: score.0, rejected: score.1)
            } else {
                judged[index].reference = score.0
                mismatched[index].reference = score.1
            }
        }
    }
}

extension EncodedChat {
    /// What stands before the first token that is learnt.
    var prompt: [Int32] { Array(tokens[..<(isTrained.firstIndex(of: true) ?? tokens.count)]) }
}
