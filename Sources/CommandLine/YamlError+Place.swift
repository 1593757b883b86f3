import MartletSystem
import Yams

extension YamlError {
    /// Where it is, as ", line 2, column 8", and what is wrong; below that the line, and a caret under the column.
    var told: (place: String, problem: String) {
        let problem: String, yaml: String, context: YamlError.Context?
        var mark: Mark
        switch self {
        case .scanner(let began, let why, let place, let text), .parser(let began, let why, let place, let text),
            .composer(let began, let why, let place, let text):
            (problem, mark, yaml, context) = (why, place, text, began)
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.prefix(8).map { $0.quoted() }.joined(separator: ", ")
            return (", line \(context.mark.line)", "\(names) \(keys.count == 1 ? "is" : "are") there twice")
        case .reader(let why, let offset, _, _):
            return ("", "it is no YAML: \(why)" + (offset.map { " at byte \($0)" } ?? ""))
        default:
            return ("", description.split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: " "))
        }
        let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false)
        // What has no end is seen at the file's; where it begins says more.
        if let began = context?.mark, !lines.indices.contains(mark.line - 1) || lines[mark.line - 1].isEmpty {
            mark = began
        }
        let place = ", line \(mark.line), column \(mark.column)"
        guard lines.indices.contains(mark.line - 1), mark.column >= 1, mark.column <= 200 else {
            return (place, problem)
        }
        // What is not one column wide is shown as one, so that the caret stands under its place.
        let shown = lines[mark.line - 1].unicodeScalars.prefix(240).map {
            $0.isASCII && $0.value >= 0x20 ? String($0) : "·"
        }
        let caret = String(repeating: " ", count: mark.column - 1) + "^"
        return (place, "\(problem)\n  \(shown.joined())\n  \(caret)")
    }
}
