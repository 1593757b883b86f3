#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Checks of settings that all trainers share.
enum TrainingSettings {
    static let largestVocabulary = 1 << 24

    static func check(
        vocabularySize: Int, specialTokens: [String], minimumFrequency: Int = 0
    ) throws(TokenizerTrainingError) {
        guard (1...largestVocabulary).contains(vocabularySize) else {
            throw .setting("vocabularySize", found: "\(vocabularySize)", expected: "1 to \(largestVocabulary)")
        }
        guard !specialTokens.contains("") else {
            throw .setting("specialTokens", found: "an empty string", expected: "tokens of at least one character")
        }
        guard minimumFrequency >= 0 else {
            throw .setting("minimumFrequency", found: "\(minimumFrequency)", expected: "0 or more")
        }
    }

    /// The number of distinct words that fit: each takes 345 bytes (measured) in the hash table and, as tokens and
    /// pairs, during merge learning.
    static func words(inMemory bytes: Int?) throws(TokenizerTrainingError) -> Int {
        guard let bytes else { return .max }
        guard bytes >= leastMemory else {
            throw .setting("memory", found: "\(bytes)", expected: "at least \(leastMemory) bytes")
        }
        return (bytes - leastMemory / 2) / 384
    }

    /// Memory for blocks of text and the learner's tables.
    private static let leastMemory = 32 << 20

    /// - Parameter count: the number of tokens required for `what`.
    static func check(vocabularySize: Int, holds count: Int, what: String) throws(TokenizerTrainingError) {
        guard count <= vocabularySize else {
            throw .setting("vocabularySize", found: "\(vocabularySize)", expected: "at least \(count), for \(what)")
        }
    }
}

extension TrainingText {
    /// The total bytes of all files; throws for the first path that is not a file.
    static func size(ofFiles files: [String]) throws(TokenizerTrainingError) -> Int {
        var total = 0
        for file in files {
            var status = stat()
            guard stat(file, &status) == 0 else {
                throw .unreadable(file: file, reason: String(cString: strerror(errno)))
            }
            guard status.st_mode & S_IFMT != S_IFDIR else { throw .unreadable(file: file, reason: "it is a folder") }
            total += Int(status.st_size)
        }
        return total
    }
}
