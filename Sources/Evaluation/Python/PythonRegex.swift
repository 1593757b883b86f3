/// A regular expression in Python's spelling, with its `findall` and `sub`.
///
/// Compiled by Swift's engine over Unicode scalars; what is spelled otherwise there is rewritten: `(?P<name>`, `\Z`,
/// and characters that only Swift takes for operators inside brackets.
struct PythonRegex {
    private let regex: Regex<AnyRegexOutput>

    /// - Throws: the engine's error for an expression that is none.
    init(_ pattern: String) throws {
        regex = try Regex(Self.rewritten(pattern)).matchingSemantics(.unicodeScalar)
    }

    /// The groups of each match, or the match itself where there are no groups; a group that did not take part is empty.
    func findAll(_ text: String) -> [[String]] {
        text.matches(of: regex).map { match in
            let output = match.output
            guard output.count > 1 else { return [String(output[0].substring ?? "")] }
            return (1..<output.count).map { output[$0].substring.map { String($0) } ?? "" }
        }
    }

    /// Every match replaced by a text in which `\1` stands for a group.
    func replacing(in text: String, with replacement: String) -> String {
        text.replacing(regex) { match in
            guard replacement.contains("\\") else { return replacement }
            var output = "", isEscaped = false
            for character in replacement {
                if isEscaped {
                    if let number = character.wholeNumberValue, number < match.output.count {
                        output += match.output[number].substring ?? ""
                    } else {
                        output.append(character == "n" ? "\n" : character == "t" ? "\t" : character)
                    }
                    isEscaped = false
                } else if character == "\\" {
                    isEscaped = true
                } else {
                    output.append(character)
                }
            }
            return output
        }
    }

    /// A text as a pattern that matches it.
    static func escaped(_ text: String) -> String {
        var output = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar.isASCII, !scalar.properties.isAlphabetic, !("0"..."9").contains(scalar), scalar != "_" {
                switch scalar {
                case "\n": output.append(contentsOf: "\\n".unicodeScalars)
                case "\t": output.append(contentsOf: "\\t".unicodeScalars)
                case "\r": output.append(contentsOf: "\\r".unicodeScalars)
                default:
                    output.append("\\")
                    output.append(scalar)
                }
            } else {
                output.append(scalar)
            }
        }
        return String(output)
    }

    private static func rewritten(_ pattern: String) -> String {
        let source = Array(pattern.unicodeScalars)
        var output = String.UnicodeScalarView(), index = 0, classStart: Int?
        while index < source.count {
            let scalar = source[index]
            if scalar == "\\", index + 1 < source.count {
                let next = source[index + 1]
                output.append(contentsOf: next == "Z" ? "\\z".unicodeScalars : "\\\(next)".unicodeScalars)
                index += 2
                continue
            }
            if let start = classStart {
                if scalar == "]", index > start {
                    classStart = nil
                } else if "[]&~#".unicodeScalars.contains(scalar) || scalar == " " {
                    output.append("\\")
                }
            } else if scalar == "[" {
                classStart = index + 1
                if index + 1 < source.count, source[index + 1] == "^" {
                    output.append(contentsOf: "[^".unicodeScalars)
                    (index, classStart) = (index + 2, index + 2)
                    continue
                }
            } else if scalar == "(", index + 2 < source.count, source[index + 1] == "?", source[index + 2] == "P" {
                if index + 3 < source.count, source[index + 3] == "<" {
                    output.append(contentsOf: "(?<".unicodeScalars)
                    index += 4
                    continue
                }
            }
            output.append(scalar)
            index += 1
        }
        return String(output)
    }
}
