import MartletJSON

/// What Python's strings and literals do where the results of a task depend on it.
extension Unicode.Scalar {
    /// `str.isspace`.
    var isPythonSpace: Bool { properties.isWhitespace || (0x1C...0x1F).contains(value) }
}

extension String {
    /// `str.rstrip()`.
    var trailingSpaceTrimmed: String {
        var scalars = unicodeScalars[...]
        while let last = scalars.last, last.isPythonSpace { scalars.removeLast() }
        return String(scalars)
    }

    /// `str.strip()`.
    var spaceTrimmed: String { String(trailingSpaceTrimmed.unicodeScalars.drop { $0.isPythonSpace }) }

    var startsWithSpace: Bool { unicodeScalars.first?.isPythonSpace ?? false }
    var endsWithSpace: Bool { unicodeScalars.last?.isPythonSpace ?? false }
    /// `str.isdigit()` for ASCII digits.
    var isDigits: Bool { !isEmpty && utf8.allSatisfy { (0x30...0x39).contains($0) } }

    /// `len(re.split(r"\\s+", text))`.
    var pythonWordCount: Int {
        var count = 1, inSpace = false
        for scalar in unicodeScalars {
            if scalar.isPythonSpace, !inSpace { count += 1 }
            inSpace = scalar.isPythonSpace
        }
        return count
    }

    /// `str.replace`.
    func replacing(all old: String, with new: String) -> String {
        let source = Array(utf8), pattern = Array(old.utf8)
        guard !pattern.isEmpty, source.count >= pattern.count else { return self }
        var output: [UInt8] = [], index = 0
        output.reserveCapacity(source.count)
        while index < source.count {
            if index + pattern.count <= source.count, source[index..<(index + pattern.count)].elementsEqual(pattern) {
                output += new.utf8
                index += pattern.count
            } else {
                output.append(source[index])
                index += 1
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}

extension JSON {
    /// Python's `str(value)`.
    var pythonText: String {
        switch self {
        case .string(let text): text
        default: pythonRepresentation
        }
    }

    /// Python's `repr(value)`.
    var pythonRepresentation: String {
        switch self {
        case .null: "None"
        case .bool(let value): value ? "True" : "False"
        case .integer(let value): String(value)
        case .number(let value): value.isNaN ? "nan" : value.isInfinite ? (value < 0 ? "-inf" : "inf") : "\(value)"
        case .string(let text): Self.quoted(text)
        case .array(let values): "[" + values.map(\.pythonRepresentation).joined(separator: ", ") + "]"
        case .object(let object):
            "{" + object.map { Self.quoted($0.key) + ": " + $0.value.pythonRepresentation }.joined(separator: ", ")
                + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        let quote: Unicode.Scalar =
            text.unicodeScalars.contains("'") && !text.unicodeScalars.contains("\"") ? "\"" : "'"
        var output = String.UnicodeScalarView()
        output.append(quote)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": output.append(contentsOf: "\\\\".unicodeScalars)
            case "\n": output.append(contentsOf: "\\n".unicodeScalars)
            case "\r": output.append(contentsOf: "\\r".unicodeScalars)
            case "\t": output.append(contentsOf: "\\t".unicodeScalars)
            case quote: output.append(contentsOf: "\\\(quote)".unicodeScalars)
            case let other where other.value < 0x20 || other.value == 0x7F:
                let digits = String(other.value, radix: 16)
                output.append(contentsOf: ("\\x" + (digits.count < 2 ? "0" : "") + digits).unicodeScalars)
            default: output.append(scalar)
            }
        }
        output.append(quote)
        return String(output)
    }
}
