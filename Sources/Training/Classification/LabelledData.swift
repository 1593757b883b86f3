import MartletData
import MartletFormats
import MartletInference
import MartletModels
import MartletSystem
import MartletTokenizers

/// Texts with labels as tokens: what a classifier learns from, some of it held out.
///
/// ```swift
/// let data = try LabelledData(options, ModelFiles(path: "bert-base-uncased"))
/// print(data.task, data.labels)
/// let model = try StartingClassifier(ModelFiles(path: "bert-base-uncased"), data, options: options)
/// ```
public struct LabelledData {
    public typealias Task = ClassificationOptions.Task

    /// A text with what is to be told of it.
    struct Row: Sendable, Equatable {
        var tokens: [Int32], types: [Int32]
        /// The class; the classes; the class of each token, `ignored` where none is learnt.
        var targets: [Int32] = []
        /// Of a regression or score.
        var number = 0.0
        /// Of a pair: the number of its first text among all different ones.
        var first: Int?
    }
    /// PyTorch's number for a token without a class.
    static let ignored: Int32 = -100

    public let task: Task
    /// The classes by their numbers; one without a name for a number.
    public let labels: [String]
    /// What is learnt, then what is held out.
    let rows: [Row]
    public let heldOutCount: Int
    public var trainingCount: Int { rows.count - heldOutCount }
    public var count: Int { rows.count }
    public var tokenCount: Int { rows.prefix(trainingCount).reduce(0) { $0 + $1.tokens.count } }
    public let tally: CorpusTally
    /// How the records were understood, a sentence each.
    public let notes: [String]
    public let fingerprint: String
    /// The weight of each class in the loss; nil: all the same.
    let weights: [Double]?
    /// The tokens of nineteen texts of twenty are no more.
    let usualLength: Int
    /// Whether the classes are those of the model that training goes on from.
    let keepsLabels: Bool
    /// The most tokens that the model takes of a text.
    private let contextLength: Int

    /// What a run is planned by: no longer than a text may be.
    func planned(_ architecture: NewArchitecture) -> DecoderConfiguration {
        var spec = architecture.planned
        spec.contextLength = min(spec.contextLength, contextLength)
        return spec
    }

    /// - Parameter onBadRecord: hears of each record that is passed over, where the policy is to report.
    /// - Throws: `DataError` naming file and record; `TrainingError` where nothing is left, or there is one class.
    public init(
        _ options: TrainingOptions, _ model: ModelFiles, onBadRecord: @escaping (DataError) -> Void = { _ in }
    ) throws {
        let checkpoint = model.checkpoint
        let architecture: NewArchitecture =
            checkpoint.hasEncoder
            ? .encoder(try EncoderConfiguration(checkpoint.configuration))
            : .decoder(try checkpoint.decoderConfiguration())
        let spec = architecture.planned
        var encoder = try LabelEncoder(model, spec)
        contextLength = encoder.limit
        var planned = spec
        planned.contextLength = min(planned.contextLength, encoder.limit)
        let resolved = try ResolvedOptions(options, vocabularySize: spec.vocabularySize, model: planned)
        try encoder.limit(to: resolved.rows.length)
        let chosen = resolved.classification
        let shape = try LabelShape(resolved.chat.map, chosen.task)
        let records = try PlacedRecords(resolved.chat, onBadRecord: onBadRecord)
        var found: [LabelShape.Labelled] = [], told: String?
        try records.forEach { (record) throws(DataError) in
            let read = try shape.read(record)
            if told == nil { told = read.told }
            found.append(read.0)
        }
        let task = chosen.task ?? Self.task(found)
        try chosen.demandUsed(by: task)
        guard task != .tokens || checkpoint.hasEncoder else {
            throw TrainingError(
                .data,
                "classes of words are trained on text encoders (BERT and what follows it), and \(model.path) is "
                    + checkpoint.kind.name)
        }
        let names = try LabelNames(found, task, chosen.labelNames, checkpoint)
        var kept: [(row: Row, text: String)] = [], cut = 0, lostWords = 0, firsts: [String: Int] = [:]
        for one in found {
            do throws(DataError) {
                var read = try encoder.row(one, task, names)
                if one.pair != nil {
                    let first = firsts[one.text] ?? firsts.count
                    firsts[one.text] = first
                    read.row.first = first
                }
                kept.append((read.row, one.words.isEmpty ? one.text : one.words.joined(separator: " ")))
                if read.isCut { cut += 1 }
                lostWords += read.wordsWithoutTokens
            } catch { try records.corpus.passOver(error) }
        }
        tally = records.corpus.tally
        let held = HeldOutTexts(
            kept.map(\.text), share: DocumentSplit.share(resolved.chat.validation ?? 0.1, of: kept.count))
        guard held.count < kept.count, let told else {
            throw TrainingError.nothingLeft(of: resolved.chat.data, tally, wanted: LabelShape.wanted)
        }
        let rows = held.order.map { kept[$0].row }
        self.rows = rows
        heldOutCount = held.count
        self.task = task
        labels = names.all
        keepsLabels = names.areOfModel
        var counts = [Int](repeating: 0, count: names.all.count)
        for row in rows.prefix(kept.count - held.count) {
            for target in row.targets where target >= 0 { counts[Int(target)] += 1 }
        }
        weights = task.givesNumber ? nil : try chosen.weights(names.all, counts: counts)
        let lengths = rows.map(\.tokens.count).sorted()
        usualLength = lengths[min(lengths.count - 1, lengths.count * 19 / 20)]
        notes =
            records.corpus.notes + ["a row: \(told)"] + Self.notes(task, chosen, names, counts, weights)
            + (cut > 0 ? ["\(cut) texts are cut to \(encoder.limit) tokens"] : [])
            + (lostWords > 0
                ? ["\(lostWords) words give no tokens with this vocabulary, so their tags are not learnt"] : [])
        fingerprint = Self.fingerprint(rows, held.count, names.all)
    }

    private static func task(_ found: [LabelShape.Labelled]) -> Task {
        if found.contains(where: { !$0.words.isEmpty }) { return .tokens }
        if found.contains(where: { $0.label.array != nil }) { return .multi }
        return !found.isEmpty && found.allSatisfy(\.isNumber) && found.contains(where: \.isFraction)
            ? .regression : .single
    }

    private static func notes(
        _ task: Task, _ chosen: ClassificationOptions, _ names: LabelNames, _ counts: [Int], _ weights: [Double]?
    ) -> [String] {
        let how = chosen.task == nil ? ", as the labels suggest" : ""
        if task == .regression { return ["task regression\(how): the label is a number"] }
        if task == .score { return ["task score: the label is a number from 0 to 1"] }
        var list = names.all.indices.prefix(12).map { "\(names.all[$0]) \(counts[$0])" }.joined(separator: ", ")
        if names.all.count > 12 { list += ", …" }
        var notes = [
            "task \(task.rawValue)\(how): \(names.all.count) classes" + (names.areOfModel ? " of the model" : "")
                + ", to learn of each: \(list)"
        ]
        let unseen = names.all.indices.filter { counts[$0] == 0 }.map { names.all[$0] }
        if !unseen.isEmpty {
            notes.append(
                "no row to learn is of class \(unseen.prefix(8).joined(separator: ", "))\(unseen.count > 8 ? ", …" : "")"
            )
        }
        if let weights {
            let list = zip(names.all, weights).prefix(12).map { "\($0) \(($1 * 1000).rounded() / 1000)" }
            notes.append(
                "weights of classes: \(list.joined(separator: ", "))\(names.all.count > 12 ? ", …" : "")")
        }
        return notes
    }

    private static func fingerprint(_ rows: [Row], _ held: Int, _ labels: [String]) -> String {
        var hash = HashXX64()
        for row in rows {
            row.tokens.withUnsafeBytes { hash.update($0) }
            row.types.withUnsafeBytes { hash.update($0) }
            row.targets.withUnsafeBytes { hash.update($0) }
            withUnsafeBytes(of: (Int64(row.tokens.count), row.number)) { hash.update($0) }
        }
        for label in labels { Array((label + "\n").utf8).withUnsafeBytes { hash.update($0) } }
        return "\(rows.count) texts, \(held) held out, XXH64 \(String(hash.value, radix: 16))"
    }
}

/// The classes of data, and the number of each.
struct LabelNames {
    let all: [String]
    /// Whether they are those of the model that training goes on from.
    let areOfModel: Bool
    private let numbers: [String: Int32]
    /// Whether numbers in the data are those of the classes.
    private let areNumbers: Bool

    /// - Parameter given: the classes in order, by the options.
    init(
        _ found: [LabelShape.Labelled], _ task: ClassificationOptions.Task, _ given: [String]?, _ model: Checkpoint
    ) throws {
        guard !task.givesNumber else {
            (all, areOfModel, numbers, areNumbers) = ([""], model.kind == .scores, [:], false)
            return
        }
        var seen: Set<String> = []
        // A record that cannot be read is told when it is encoded.
        for one in found { if let names = try? one.names() { seen.formUnion(names) } }
        let areWhole = !seen.isEmpty && seen.allSatisfy { Int($0).map { $0 >= 0 } ?? false }
        let own = Self.own(model)
        func fits(_ names: [String]) -> Bool {
            seen.isSubset(of: names) || areWhole && seen.allSatisfy { Int($0).map { $0 < names.count } ?? false }
        }
        if let given {
            guard Set(given).count == given.count, !given.contains("") else {
                throw TrainingError(.configuration, "labels: a class is there twice or has no name")
            }
            all = given
        } else if let own, fits(own) {
            all = own
        } else if areWhole {
            all = seen.sorted { (Int($0) ?? 0) < (Int($1) ?? 0) }
        } else {
            // What is no entity comes first, as in published data.
            all = seen.sorted { ($0 != "O" ? 1 : 0, $0) < ($1 != "O" ? 1 : 0, $1) }
        }
        areOfModel = own == all
        areNumbers = areWhole && !seen.isSubset(of: all)
        numbers = Dictionary(uniqueKeysWithValues: all.enumerated().map { ($0.element, Int32($0.offset)) })
        guard all.count > 1 || task == .multi && all.count == 1 else {
            throw TrainingError(
                .data,
                "there \(all.isEmpty ? "is no class" : "is one class alone, \(all[0].quoted())") in the data: nothing can be told "
                    + "apart")
        }
        guard all.count <= 65_536 else {
            throw TrainingError(
                .data,
                "there are \(all.count) different labels, at most 65536 are classes; for numbers take --task regression"
            )
        }
    }

    /// The named classes of a model's own head.
    private static func own(_ model: Checkpoint) -> [String]? {
        guard model.kind == .classifies, let names = model.configuration.json["id2label"]?.object else { return nil }
        let all = model.labels(count: names.count)
        return Set(all).count == all.count ? all : nil
    }

    func number(_ name: String, _ one: LabelShape.Labelled) throws(DataError) -> Int32 {
        if areNumbers, let number = Int32(name), all.indices.contains(Int(number)) { return number }
        if let number = numbers[name] { return number }
        throw one.origin.fail(
            one.labelColumn,
            "is \(name.quoted()), which is none of the classes "
                + all.prefix(12).joined(separator: ", ") + (all.count > 12 ? ", …" : ""))
    }
}
