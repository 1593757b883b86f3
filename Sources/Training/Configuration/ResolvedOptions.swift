import MartletJSON
import MartletModels
import MartletNN
import MartletSystem

/// A training run with no value left open: typed by part (`options.schedule.steps`), and a list of names, values and where
/// each came from, for files and people.
@dynamicMemberLookup
public struct ResolvedOptions: Sendable, Equatable {
    public struct Value: Sendable, Equatable {
        public let name: String
        public let value: JSON
        /// Who gave it ("command line", "run.yaml, line 3"), or how it follows from others.
        public let origin: String
        public let isGiven: Bool
    }
    /// What the run does.
    public let command: RunCommand
    /// In the order in which they are derived from each other.
    public private(set) var values: [Value] = []
    package let run: RunOptions

    /// The value of an option by its name, for code that shows or compares all of them.
    public subscript(name: String) -> JSON { values.first { $0.name == name }?.value ?? .null }

    public subscript<Part>(dynamicMember part: KeyPath<RunOptions, Part>) -> Part { run[keyPath: part] }

    /// - Parameters:
    ///   - vocabularySize: of the tokenizer.
    ///   - model: what training goes on from: its shape is not open to options.
    ///   - longestRow: the most tokens of a row cut from the data's stream, which limits a context length that was not
    ///     given.
    ///   - rowsPerEpoch: what the data holds at a context length and layout, for `epochs`, and for steps of no more
    ///     rows than there are. If it returns nil, what depends on it is left open.
    /// - Throws: `TrainingError` when values contradict each other.
    public init(
        _ options: TrainingOptions, vocabularySize: Int, model: DecoderConfiguration? = nil, longestRow: Int? = nil,
        rowsPerEpoch: (_ length: Int, _ layout: RowOptions.Layout) -> Int? = { _, _ in nil }
    ) throws(TrainingError) {
        let command: RunCommand = options.command.beginsModel && model != nil ? .tuning : options.command
        self.command = command
        if let name = options.given.keys.sorted().first(where: { command.key($0) == nil }) {
            throw TrainingError(
                .configuration, "\(name) cannot be chosen: the model that training goes on from has its shape")
        }
        var facts = OptionFacts(
            command: command, model: model, longestRow: longestRow,
            isTimed: options.given["minutes"] != nil && options.given["steps"] == nil,
            givesSteps: options.given["steps"] != nil)
        let keys = command.keys
        for key in keys where key.isPath {
            guard let given = options.given[key.name] else { continue }
            values.append(
                Value(name: key.name, value: given, origin: options.origins[key.name] ?? "given", isGiven: true))
            key.write(&facts.run, given)
        }
        // The model's own sizes replace those of a new model.
        if let model {
            facts.run.shape = ModelShape(model)
            values += Self.sizes(of: facts.run.shape).map {
                Value(name: $0.name, value: $0.value.optionJSON, origin: "the model's", isGiven: false)
            }
        }
        facts.run.shape.vocabularySize = vocabularySize
        values.append(
            Value(
                name: "vocabulary_size", value: vocabularySize.optionJSON, origin: "the tokenizer's", isGiven: false))
        var isCounted = false
        for key in keys where !key.isPath {
            let given = options.given[key.name], usual = given == nil ? command.usual(key, facts) : nil
            let value = given ?? usual?.value ?? .null
            values.append(
                Value(
                    name: key.name, value: value, origin: usual?.how ?? options.origins[key.name] ?? "given",
                    isGiven: given != nil))
            if !value.isNull { key.write(&facts.run, value) }
            guard facts.run.rows.length > 0, !isCounted else { continue }
            isCounted = true
            let length = facts.run.rows.length
            if let model, length > model.contextLength {
                throw TrainingError(
                    .configuration, "context_length \(length) is longer than the model's \(model.contextLength)")
            }
            facts.rows = rowsPerEpoch(length, facts.run.rows.layout)
        }
        // The context of a new model is the length of a row.
        if command.beginsModel {
            facts.run.shape.contextLength = facts.run.rows.length
            facts.run.shape.learnsPairs = facts.run.objective.kind.learnsPairs
            facts.run.shape.generatorShare = facts.run.objective.generatorShare
        }
        run = facts.run
        for part in command.parts {
            do throws(TrainingError) { try part.check(facts.run, facts) } catch { throw error.told(by: values) }
        }
    }

    /// What is shown of an existing model's shape.
    private static func sizes(of shape: ModelShape) -> [(name: String, value: any OptionValue)] {
        [
            ("family", shape.family), ("tied_embeddings", shape.tiedEmbeddings), ("depth", shape.layers),
            ("hidden_size", shape.hiddenSize), ("heads", shape.heads),
            ("key_value_heads", shape.keyValueHeads), ("intermediate_size", shape.intermediateSize),
        ]
    }

    /// `config.json` of a new model, as transformers writes it.
    public func modelConfiguration(endToken: Int?, beginToken: Int?, padToken: Int? = nil) -> JSON {
        run.shape.configuration(beginToken: beginToken, endToken: endToken, padToken: padToken)
    }

    public func decoderConfiguration() throws -> DecoderConfiguration { try run.shape.decoderConfiguration() }

    /// Of a family of any kind.
    public func architecture() throws -> NewArchitecture { try run.shape.architecture() }

    public func initializer() -> Initializer {
        Initializer(run.initialization.scheme(layers: run.shape.layers), seed: run.general.randomSeed)
    }

    public static func == (one: Self, other: Self) -> Bool {
        one.command == other.command && one.values == other.values
    }
}
