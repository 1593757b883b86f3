import MartletAdapters
import MartletChat
import MartletModels
import MartletNN
import Synchronization

/// An adapter in memory for single requests of a model: requests with different adapters share a batch.
///
/// ```swift
/// var options = model.defaultOptions
/// options.adapter = try model.loadAdapter("runs/id", name: "me")
/// for try await token in model.chat(messages, options) { print(token.text) }
/// ```
public final class LoadedAdapter: Sendable {
    public let name: String
    public let path: String
    public let strength: Double
    /// What is ignored in its files and may matter.
    public let notes: [String]
    /// "lora", "dora", ….
    public let title: String
    public let rank: Int
    /// What conversations are written by where that is another template than the model's.
    public let chatTemplate: ChatTemplate?
    /// Bytes in memory.
    public var byteCount: Int { adapters.byteCount }
    let adapters: AdapterSet
    /// The prefix-cache salt of keys and values computed with it; another adapter of the same name has another salt.
    let salt: String

    private static let count = Atomic(0)

    init(
        name: String, path: String, strength: Double, _ stored: StoredAdapter, _ set: AdapterSet,
        template: ChatTemplate?, notes: [String]
    ) {
        chatTemplate = template
        (self.name, self.path, self.strength, adapters, self.notes) = (name, path, strength, set, notes)
        (title, rank) = (stored.configuration.title, stored.configuration.rank)
        salt = "\u{1}\(Self.count.add(1, ordering: .relaxed).newValue)"
    }
}

/// An adapter's path and strength.
public struct AdapterReference: Sendable, Equatable {
    public var path: String
    public var strength: Double

    public init(_ path: String, strength: Double = 1) { (self.path, self.strength) = (path, strength) }
}

extension LanguageModel {
    /// Loads an adapter for requests that name it.
    /// - Parameter strength: the factor on what it adds.
    /// - Throws: `AdapterError` for one of another base, and for one that replaces parts of the model.
    public func loadAdapter(_ path: String, name: String, strength: Double = 1) throws -> LoadedAdapter {
        try loadAdapter([AdapterReference(path, strength: strength)], name: name)
    }

    /// Several adapters, applied in order, as one.
    public func loadAdapter(_ references: [AdapterReference], name: String) throws -> LoadedAdapter {
        guard let first = references.first else { throw AdapterError(.configuration, "no adapter is named") }
        let base = try AdapterBase(decoder)
        var adapters: [Adapter] = [], notes: [String] = [], stored: [StoredAdapter] = [], template: ChatTemplate?
        for reference in references {
            let one = try StoredAdapter.read(reference.path, of: base)
            let adapter = try Adapter(one, of: base, name: name)
            try adapter.setStrength(reference.strength)
            notes += try one.notes(on: base, path: reference.path)
            // What the model was created with is for all that it says.
            if template == nil, created?.template == nil, reference.strength != 0 {
                template = try StoredAdapter.template(reference.path, unlike: tokenizer.chatTemplate, tokenizer)
            }
            adapters.append(adapter)
            stored.append(one)
        }
        return LoadedAdapter(
            name: name, path: first.path, strength: first.strength, stored[0], try Adapter.set(of: adapters),
            template: template, notes: notes)
    }
}

extension StoredAdapter {
    /// What of the adapter's files is passed over, and whether it was trained on another base.
    package func notes(on base: AdapterBase, path: String) throws -> [String] {
        guard let baseFingerprint, try baseFingerprint != BaseFingerprint.of(base) else { return notes }
        return notes + ["\(path) was trained on another base than this (its norms differ): results may be poor"]
    }
}
