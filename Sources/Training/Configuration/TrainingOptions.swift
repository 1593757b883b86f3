import MartletFormats
import MartletJSON
import MartletNN

/// Everything a pre-training run is made of. `depth` is the one dial: what is left open follows from it, and
/// `resolved` says every value and where it came from.
public struct TrainingOptions: Sendable, Equatable {
    /// A value as given, or nil to be derived.
    var given: [String: JSON] = [:]

    public init() {}

    /// - Throws: `TrainingError` for a key that does not exist (with the nearest one that does), a value of another
    ///   type or out of range.
    public mutating func set(_ key: String, _ value: JSON, from origin: String = "command line") throws(TrainingError) {
        guard let known = Self.keys.first(where: { $0.name == key }) else {
            let nearest = Self.keys.map(\.name).min { distance($0, key) < distance($1, key) } ?? ""
            throw TrainingError(
                .configuration, "\(origin): there is no option \"\(key)\"; did you mean \"\(nearest)\"?")
        }
        guard known.accepts(value) else {
            throw TrainingError(
                .configuration, "\(origin): \"\(key)\" is \(value.text()); expected \(known.expected)")
        }
        given[key] = value
    }

    /// "name=value", the value JSON or else a string.
    public mutating func set(assignment: String, from origin: String = "command line") throws(TrainingError) {
        guard let cut = assignment.firstIndex(of: "=") else {
            throw TrainingError(.configuration, "\(origin): \"\(assignment)\" is not name=value")
        }
        let text = String(assignment[assignment.index(after: cut)...])
        try set(String(assignment[..<cut]), (try? JSON(parsing: Array(text.utf8))) ?? .string(text), from: origin)
    }

    /// All members of a JSON object, as a configuration file holds them.
    public mutating func set(_ object: JSON, from origin: String) throws(TrainingError) {
        guard let members = object.object else {
            throw TrainingError(.configuration, "\(origin): expected keys and values, found \(object.kind)")
        }
        for member in members { try set(member.key, member.value, from: origin) }
    }

    /// A configuration file: one JSON object.
    public mutating func set(file: String) throws {
        let object: JSON
        do {
            object = try JSON(parsing: Folder.read(file))
        } catch let error as JSONError {
            throw TrainingError(.configuration, "\(file): \(error)")
        }
        try set(object, from: file)
    }

    struct Key: Sendable {
        let name: String
        let expected: String
        let accepts: @Sendable (JSON) -> Bool

        static func integer(_ name: String, _ range: ClosedRange<Int>) -> Key {
            Key(name: name, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") {
                $0.integer.map { range.contains($0) } ?? false
            }
        }
        static func number(_ name: String, _ range: ClosedRange<Double>) -> Key {
            Key(name: name, expected: "a number from \(range.lowerBound) to \(range.upperBound)") {
                $0.double.map { range.contains($0) } ?? false
            }
        }
        static func flag(_ name: String) -> Key {
            Key(name: name, expected: "true or false") { $0.bool != nil }
        }
        static func choice(_ name: String, _ values: [String]) -> Key {
            Key(name: name, expected: "one of " + values.joined(separator: ", ")) {
                $0.string.map { values.contains($0) } ?? false
            }
        }
    }

    static let keys: [Key] = [
        .integer("depth", 1...256), .choice("family", ["llama", "qwen3"]), .integer("hidden_size", 8...65_536),
        .integer("heads", 1...1024), .integer("key_value_heads", 1...1024), .integer("intermediate_size", 8...262_144),
        .integer("context_length", 8...1_048_576), .flag("tied_embeddings"), .number("rope_theta", 1...1e9),
        .integer("batch_rows", 1...65_536), .integer("micro_batches", 1...65_536), .integer("steps", 1...100_000_000),
        .number("minutes", 0.01...100_000), .number("learning_rate", 1e-7...1), .number("final_rate", 0...1),
        .choice("schedule", LearningRateSchedule.allCases.map(\.rawValue)), .integer("warmup", 0...1_000_000),
        .integer("decay", 0...100_000_000), .number("weight_decay", 0...10), .number("beta1", 0...0.9999),
        .number("beta2", 0...0.99999), .number("epsilon", 1e-15...1), .number("clip", 1e-6...1e6),
        .number("z_loss", 0...1), .number("label_smoothing", 0...0.99), .integer("seed", 0...Int(Int32.max)),
        .choice("initialization", ["gpt2", "cs336", "xavier", "kaiming", "zero-residual"]),
        .choice("layout", ["contiguous", "packed"]), .integer("evaluate_every", 1...100_000_000),
        .integer("evaluation_rows", 1...1_000_000), .integer("save_every", 1...100_000_000),
        .integer("keep", 1...1000), .integer("log_every", 1...1_000_000), .number("spike_factor", 2...1e9),
    ]
}

/// Edits that turn one word into the other (Levenshtein).
private func distance(_ a: String, _ b: String) -> Int {
    let a = Array(a), b = Array(b)
    var row = Array(0...b.count)
    for i in a.indices {
        var diagonal = row[0]
        row[0] = i + 1
        for j in b.indices {
            let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[b.count]
}
