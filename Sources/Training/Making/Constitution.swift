import MartletChat
import MartletFormats
import MartletJSON
import MartletSystem

/// The principles by which replies are criticised, revised and compared.
///
/// A file of principles is text with one on each line (lines that begin with # are not read), or JSON: a list of texts, or of
/// objects with `principle`, and `critique`, `revision` and `preference` where the requests are to be worded otherwise.
public struct Constitution: Sendable, Equatable {
    public struct Principle: Sendable, Equatable {
        public var text: String
        /// What asks for a critique, for a revision, and which of two replies is better; made of the text where left out.
        public var critique: String?, revision: String?, preference: String?

        public init(_ text: String) { self.text = text }

        var critiqueRequest: String {
            critique
                ?? "Look at your last reply in the light of this principle: \(text)\nSay what in the reply goes against it, and be "
                + "specific."
        }
        var revisionRequest: String {
            revision
                ?? "Now write the reply anew, so that it keeps to the principle (\(text)) and your critique no longer applies. "
                + "Write the new reply and nothing else."
        }
        var preferenceRequest: String {
            preference ?? "Which of the two replies keeps better to this principle: \(text)"
        }
    }

    public var principles: [Principle]
    /// Of the file, so that what was begun with other principles is not gone on with.
    public let fingerprint: String

    public init(_ principles: [Principle]) {
        self.principles = principles
        var hash = HashXX64()
        for principle in principles {
            let line: JSON = [
                "principle": .string(principle.text), "critique": .string(principle.critique ?? ""),
                "revision": .string(principle.revision ?? ""), "preference": .string(principle.preference ?? ""),
            ]
            line.bytes().withUnsafeBytes { hash.update($0) }
        }
        fingerprint = "\(principles.count) principles, XXH64 \(String(hash.value, radix: 16))"
    }

    /// - Throws: `TrainingError` naming the line or entry that is no principle.
    public init(path: String) throws {
        let bytes = try Folder.read(path, limit: 1 << 24)
        var found: [Principle] = []
        if path.hasSuffix(".json") {
            guard let json = try? JSON(parsing: bytes), let entries = json.array else {
                throw TrainingError(.data, "\(path): expected a list of principles, as JSON")
            }
            for (index, entry) in entries.enumerated() {
                if let text = entry.string, !text.isEmpty {
                    found.append(Principle(text))
                    continue
                }
                let names = ["principle", "critique", "revision", "preference"]
                if let key = entry.object?.keys.first(where: { !names.contains($0) }) {
                    throw TrainingError(
                        .data,
                        "\(path): entry \(index + 1) has \(key.quoted()); a principle has \(names.joined(separator: ", "))"
                    )
                }
                guard let text = entry["principle"]?.string ?? entry["critique"]?.string, !text.isEmpty else {
                    throw TrainingError(.data, "\(path): entry \(index + 1) has no principle")
                }
                var principle = Principle(text)
                principle.critique = entry["critique"]?.string
                principle.revision = entry["revision"]?.string
                principle.preference = entry["preference"]?.string
                found.append(principle)
            }
        } else {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw TrainingError(.data, "\(path) is no UTF-8")
            }
            found = text.split(whereSeparator: \.isNewline).compactMap { line in
                let line = String(line.drop { $0.isWhitespace })
                return line.isEmpty || line.hasPrefix("#") ? nil : Principle(line)
            }
        }
        guard !found.isEmpty else { throw TrainingError(.data, "\(path) holds no principle: write one on each line") }
        self.init(found)
    }
}
