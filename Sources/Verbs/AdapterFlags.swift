import ArgumentParser
import MartletCatalog

/// Adapters that a model is computed with.
package struct AdapterFlags: ParsableArguments {
    @Option(
        name: .customLong("adapter"),
        help: "An adapter, or adapter=0.5 for half of what it adds; may be given several times.")
    package var adapters: [String] = []

    package init() {}

    /// Names and strengths.
    package func parsed() throws -> [(name: String, strength: Double)] { try adapters.map(Self.parse) }

    package static func parse(_ text: String) throws -> (name: String, strength: Double) {
        // A path may have an equals sign, too.
        guard !Folder.exists(text), let cut = text.lastIndex(of: "=") else { return (text, 1) }
        let number = String(text[text.index(after: cut)...])
        guard let strength = Double(number), strength.isFinite else {
            throw ValidationError(
                "--adapter \(text): \(number.debugDescription) is no number; expected PATH or PATH=0.5")
        }
        return (String(text[..<cut]), strength)
    }
}
