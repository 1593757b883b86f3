import Foundation
import Martlet
import Testing

/// `localizedDescription` is what a program shows of an error it knows nothing of.
struct ErrorDescriptionTests {
    private static let sources =
        #filePath.replacing("Tests/CommandLineTests/ErrorDescriptionTests.swift", with: "Sources")

    /// By the sources: every public error type says its sentence to Foundation, too.
    @Test func everyPublicErrorIsALocalizedError() throws {
        var types: Set<String> = [], localized: Set<String> = []
        let files = FileManager.default.enumerator(atPath: Self.sources)?.compactMap { $0 as? String } ?? []
        for file in files where file.hasSuffix(".swift") {
            let text = try String(contentsOfFile: Self.sources + "/" + file, encoding: .utf8)
            for match in text.matches(of: /public (?:struct|enum|final class|class) (\w+)\s*:([^{]*)\{/) {
                let adopted = match.2.split { !$0.isLetter }.map(String.init)
                guard adopted.contains("Error") || adopted.contains("LocalizedError") else { continue }
                types.insert(String(match.1))
                if adopted.contains("LocalizedError") { localized.insert(String(match.1)) }
            }
            for match in text.matches(of: /extension ([\w.]+)\s*:\s*LocalizedError/) {
                localized.insert(String(match.1.split(separator: ".").last ?? match.1))
            }
        }
        #expect(types.count > 20)
        #expect(types.subtracting(localized) == [], "add them to LocalizedErrors.swift")
    }

    @Test func itIsTheSentence() {
        do {
            _ = try ModelLocator.locate("./none.gguf")
            Issue.record("there is no such file")
        } catch {
            #expect(error.localizedDescription == "\(error)" && "\(error)".contains("./none.gguf"))
        }
    }
}
