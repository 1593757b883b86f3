import Glibc

/// Checks that every trainer makes of what it is told.
enum TrainingSettings {
    static let largestVocabulary = 1 << 24

    static func check(vocabularySize: Int, specialTokens: [String]) throws(TrainingError) {
        guard (1...largestVocabulary).contains(vocabularySize) else {
            throw .setting("vocabularySize", found: "\(vocabularySize)", expected: "1 to \(largestVocabulary)")
        }
        guard !specialTokens.contains("") else {
            throw .setting("specialTokens", found: "an empty string", expected: "tokens of at least one character")
        }
    }
}

extension TrainingText {
    /// The bytes of all files together; the first that is none is an error.
    static func size(ofFiles files: [String]) throws(TrainingError) -> Int {
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
