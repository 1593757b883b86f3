import MartletSystem

/// A model split over several GGUF files, as described in each of them: `split.no` (from 0), `split.count` and
/// `split.tensors.count`, and names that end in `-00001-of-00003.gguf`.
struct GGUFSplit {
    static let tensorCountKey = "split.tensors.count"
    /// The names have five digits.
    private static let mostParts = 99_999

    /// The index of the opened file, from 0.
    let number: Int
    let count: Int
    /// The number of tensors in all parts.
    let tensorCount: Int?
    private let path: String

    /// Nil if the file is not split.
    init?(_ file: GGUFFile) throws(FormatError) {
        guard let count = try file.metadata.integerIfPresent("split.count"), count > 1 else { return nil }
        let number = try file.metadata.integer("split.no")
        guard count <= Self.mostParts, number >= 0, number < count else {
            throw FormatError(
                .malformed, path: file.path, field: "key \"split.no\"",
                "is \(number) of \(count) parts; expected 0 to one less than their number, at most \(Self.mostParts)")
        }
        self.number = number
        self.count = count
        tensorCount = try file.metadata.integerIfPresent(Self.tensorCountKey)
        path = file.path
    }

    /// The files in order; throws if one is missing.
    func paths() throws(FormatError) -> [String] {
        let (folder, name) = AtomicFile.split(path)
        let ending = Self.ending(number, of: count)
        guard name.hasSuffix(ending) else {
            throw FormatError(
                .missing, path: path,
                "is part \(number + 1) of \(count) of a split model, and its name does not end in \(ending), so the other "
                    + "parts cannot be found; give the files the names they were published with")
        }
        let stem = String(name.dropLast(ending.count))
        var names: [String] = [], missing: [String] = []
        for part in 0..<count {
            let name = stem + Self.ending(part, of: count)
            names.append("\(folder)/\(name)")
            if !Folder.exists("\(folder)/\(name)") { missing.append(name) }
        }
        guard missing.isEmpty else {
            throw FormatError(
                .missing, path: path,
                "is part \(number + 1) of \(count) of a split model; missing beside it: \(list(missing))")
        }
        return names
    }

    /// Checks that a file is the part that its name says.
    func check(_ part: GGUFFile, _ expected: Int) throws(FormatError) {
        let own = try part.metadata.integerIfPresent("split.no") ?? -1
        let count = try part.metadata.integerIfPresent("split.count") ?? 1
        guard own == expected, count == self.count else {
            throw FormatError(
                .malformed, path: part.path, field: "key \"split.no\"",
                "says part \(own + 1) of \(count), but the name says \(expected + 1) of \(self.count)")
        }
    }

    private static func ending(_ number: Int, of count: Int) -> String {
        "-\(digits(number + 1))-of-\(digits(count)).gguf"
    }

    private static func digits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }

    /// Whether a file in a folder represents a model: false for a later part of a split model whose first part exists.
    package static func isFirstOrWhole(_ name: String, of files: [String]) -> Bool {
        guard name.count > 20, let (number, count) = part(name), number > 1 else { return true }
        let stem = String(name.dropLast(ending(number - 1, of: count).count))
        return !files.contains(stem + ending(0, of: count))
    }

    /// The part number in a name, from 1, and the number of parts.
    private static func part(_ name: String) -> (number: Int, count: Int)? {
        let words = name.dropLast(5).split(separator: "-").suffix(3)
        guard name.hasSuffix(".gguf"), words.count == 3, words[words.startIndex + 1] == "of",
            let number = Int(words[words.startIndex]), let count = Int(words[words.startIndex + 2]), number > 0,
            number <= count, count <= mostParts, name.hasSuffix(ending(number - 1, of: count))
        else { return nil }
        return (number, count)
    }
}
