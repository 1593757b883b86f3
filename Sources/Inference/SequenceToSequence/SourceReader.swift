import MartletModels
import MartletTensor

/// The encoder's half of a generator: it reads the sources of requests, whose keys and values the decoder attends to.
package struct SourceReader {
    package let model: EncoderDecoder
    /// What replies follow where a request says nothing.
    package let rules: SequenceRules
    /// What a task puts before a text: "translate English to German: ", by the names in `task_specific_params`.
    package let prefixes: [String: String]

    package init(_ model: EncoderDecoder, _ rules: SequenceRules, prefixes: [String: String] = [:]) {
        (self.model, self.rules, self.prefixes) = (model, rules, prefixes)
    }

    init(_ files: ModelFiles) throws {
        let tasks = files.checkpoint.configuration.json["task_specific_params"]?.object ?? [:]
        self.init(
            try files.checkpoint.encoderDecoder(), try SequenceRules(files),
            prefixes: Dictionary(
                tasks.compactMap { task in task.value["prefix"]?.string.map { (task.key, $0) } },
                uniquingKeysWith: { first, _ in first }))
    }
}

extension Generator {
    /// Encodes the sources of running requests that have none yet, several at a time: as many as the budget of a step has
    /// rows for, one at least. An encoder sees a source as a whole, so that it is not divided.
    func encodeSources() {
        guard let reader else { return }
        var waiting: [EngineSequence] = [], rows = 0
        for sequence in running where !sequence.isEncoded {
            rows += sequence.request.prompt.count
            guard waiting.isEmpty || rows <= options.tokensPerStep else { break }
            waiting.append(sequence)
        }
        guard !waiting.isEmpty else { return }
        deliverAll()
        do {
            try encode(waiting, reader)
        } catch {
            // A source that cannot be encoded fails alone, not those that came with it.
            for sequence in waiting where !sequence.submission.isClosed {
                do {
                    if waiting.count == 1 { throw error }
                    try encode([sequence], reader)
                } catch { fail(sequence.submission, error) }
            }
        }
    }

    private func encode(_ sequences: [EngineSequence], _ reader: SourceReader) throws {
        let caches = try noGrad {
            try reader.model.sourceCaches(sequences.map(\.request.prompt), precision: precision, ledger: ledger)
        }
        for (sequence, cache) in zip(sequences, caches) { sequence.source = cache }
        counters.promptTokens += sequences.reduce(0) { $0 + $1.request.prompt.count }
    }

    /// Bytes of the keys and values of sources, encoded or not; samples of a request share them.
    func sourceBytes(of sequences: [EngineSequence]) -> Int {
        guard let reader else { return 0 }
        var seen: Set<ObjectIdentifier> = []
        return sequences.reduce(0) { sum, sequence in
            guard seen.insert(ObjectIdentifier(sequence.submission)).inserted else { return sum }
            return sum + reader.model.sourceBytes(tokens: sequence.request.prompt.count, precision: precision)
        }
    }
}
