import MartletJSON

/// The member `configs` of the YAML front matter of a data set's README, which lists its files. The front matter is
/// between the first two lines of dashes.
///
/// Supports the part of YAML that such cards use: block and flow lists and maps, and plain or quoted scalars.
struct FrontMatter {
    struct Failure: Error {
        var line: Int
        var reason: String
    }

    /// The value of `configs`; nil where there is none.
    let configs: JSON?
    /// Whether the file has front matter.
    let isThere: Bool

    init(_ text: String) throws(Failure) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.hasSuffix("\r") ? line.dropLast() : line
        }
        guard lines.first == "---", let end = lines.dropFirst().firstIndex(of: "---") else {
            configs = nil
            isThere = false
            return
        }
        isThere = true
        guard let start = lines[..<end].firstIndex(where: { $0.hasPrefix("configs:") }) else {
            configs = nil
            return
        }
        let stop =
            lines[(start + 1)..<end].firstIndex { line in
                guard let first = line.first else { return false }
                return first != " " && first != "-" && first != "#"
            } ?? end
        var block = BlockReader(lines[start..<stop], firstLine: start + 1)
        configs = try block.read()["configs"]
    }

    /// Reads maps and lists by the indentation of their lines.
    private struct BlockReader {
        private var lines: [(indent: Int, text: Substring, number: Int)] = []
        private var next = 0
        private static let deepest = 32

        init(_ source: ArraySlice<Substring>, firstLine: Int) {
            for (offset, line) in source.enumerated() {
                let text = line.drop { $0 == " " }
                guard let first = text.first, first != "#" else { continue }
                lines.append((line.count - text.count, text, firstLine + offset))
            }
        }

        mutating func read() throws(Failure) -> JSON {
            guard let first = lines.first else { return .null }
            return try node(indent: first.indent, depth: 0)
        }

        private func fail(_ reason: String) -> Failure {
            Failure(line: lines[min(next, lines.count - 1)].number, reason: reason)
        }

        private static func isEntry(_ text: Substring) -> Bool { text == "-" || text.hasPrefix("- ") }

        private mutating func node(indent: Int, depth: Int) throws(Failure) -> JSON {
            guard depth < Self.deepest else { throw fail("is nested too deep") }
            if Self.isEntry(lines[next].text) { return try list(indent, depth) }
            if Self.key(lines[next].text) != nil { return try map(indent, depth) }
            let value = try scalar(lines[next].text)
            next += 1
            return value
        }

        private mutating func list(_ indent: Int, _ depth: Int) throws(Failure) -> JSON {
            var entries: [JSON] = []
            while next < lines.count, lines[next].indent == indent, Self.isEntry(lines[next].text) {
                let rest = lines[next].text.dropFirst().drop { $0 == " " }
                if rest.isEmpty {
                    next += 1
                    entries.append(try below(indent, depth))
                } else {
                    // The text after the dash is a line of its own, with its own indentation.
                    lines[next].indent = indent + lines[next].text.count - rest.count
                    lines[next].text = rest
                    entries.append(try node(indent: lines[next].indent, depth: depth + 1))
                }
            }
            return .array(entries)
        }

        private mutating func map(_ indent: Int, _ depth: Int) throws(Failure) -> JSON {
            var members: [JSONObject.Element] = []
            while next < lines.count, lines[next].indent == indent {
                guard let (key, rest) = Self.key(lines[next].text) else {
                    if Self.isEntry(lines[next].text) { break }
                    throw fail("expected a name with a colon")
                }
                if rest.isEmpty || rest.hasPrefix("#") {
                    next += 1
                    // A list may have the same indentation as its key.
                    if next < lines.count, lines[next].indent == indent, Self.isEntry(lines[next].text) {
                        members.append((key, try list(indent, depth + 1)))
                    } else {
                        members.append((key, try below(indent, depth)))
                    }
                } else {
                    members.append((key, try scalar(rest)))
                    next += 1
                }
            }
            if next < lines.count, lines[next].indent > indent { throw fail("is indented further than expected") }
            return .object(JSONObject(members))
        }

        /// The value in the lines with a deeper indentation; null if there are none.
        private mutating func below(_ indent: Int, _ depth: Int) throws(Failure) -> JSON {
            guard next < lines.count, lines[next].indent > indent else { return .null }
            return try node(indent: lines[next].indent, depth: depth + 1)
        }

        private static func key(_ text: Substring) -> (String, Substring)? {
            var place = text.startIndex
            if let quote = text.first, quote == "\"" || quote == "'" {
                guard let end = text.dropFirst().firstIndex(of: quote) else { return nil }
                place = text.index(after: end)
            } else {
                while place < text.endIndex {
                    let after = text.index(after: place)
                    if text[place] == ":", after == text.endIndex || text[after] == " " { break }
                    place = after
                }
            }
            guard place < text.endIndex, text[place] == ":" else { return nil }
            let name = text[..<place]
            let isQuoted = name.first == "\"" || name.first == "'"
            let key = isQuoted ? String(name.dropFirst().dropLast()) : String(name)
            guard !key.isEmpty, !key.hasPrefix("["), !key.hasPrefix("{") else { return nil }
            return (key, text[text.index(after: place)...].drop { $0 == " " })
        }

        private func scalar(_ text: Substring) throws(Failure) -> JSON {
            var rest = text
            let value = try flow(&rest, ends: [], depth: 0)
            let tail = rest.drop { $0 == " " }
            guard tail.isEmpty || tail.hasPrefix("#") else { throw fail("something follows a value") }
            return value
        }

        private func flow(_ rest: inout Substring, ends: Set<Character>, depth: Int) throws(Failure) -> JSON {
            guard depth < Self.deepest else { throw fail("is nested too deep") }
            rest = rest.drop { $0 == " " }
            guard let first = rest.first else { return .null }
            switch first {
            case "|", ">", "&", "*", "!": throw fail("\(first) is not supported here")
            case "[":
                return .array(try members(&rest, until: "]", depth).map(\.value))
            case "{":
                return .object(JSONObject(try members(&rest, until: "}", depth).map { ($0.key ?? "", $0.value) }))
            case "\"", "'":
                guard let end = rest.dropFirst().firstIndex(of: first) else { throw fail("a quote is not closed") }
                let text = rest[rest.index(after: rest.startIndex)..<end]
                rest = rest[rest.index(after: end)...]
                return .string(String(text))
            default:
                var end = rest.startIndex
                while end < rest.endIndex, !ends.contains(rest[end]) {
                    if rest[end] == "#", end > rest.startIndex, rest[rest.index(before: end)] == " " { break }
                    end = rest.index(after: end)
                }
                var text = rest[..<end]
                rest = rest[end...]
                while text.last == " " { text.removeLast() }
                switch text {
                case "true": return true
                case "false": return false
                case "null", "~": return .null
                default: return .string(String(text))
                }
            }
        }

        private func members(
            _ rest: inout Substring, until close: Character, _ depth: Int
        ) throws(Failure) -> [(key: String?, value: JSON)] {
            rest.removeFirst()
            var members: [(key: String?, value: JSON)] = []
            while true {
                rest = rest.drop { $0 == " " || $0 == "," }
                guard let first = rest.first else { throw fail("\(close) is missing") }
                if first == close {
                    rest.removeFirst()
                    return members
                }
                let value = try flow(&rest, ends: close == "}" ? [",", "}", ":"] : [",", "]"], depth: depth + 1)
                rest = rest.drop { $0 == " " }
                if close == "}", rest.first == ":" {
                    rest.removeFirst()
                    members.append((value.string, try flow(&rest, ends: [",", "}"], depth: depth + 1)))
                } else {
                    members.append((nil, value))
                }
            }
        }
    }
}
