// embed-pages FOLDER OUTPUT.swift [DOCS]: writes the files of a folder as Swift, and the Markdown below DOCS as docs/….
// Text becomes raw string literals, which compile in no time; other files become base64 inside them.
import Foundation

func fail(_ text: String) -> Never {
    FileHandle.standardError.write(Data("embed-pages: \(text)\n".utf8))
    exit(1)
}

let arguments = CommandLine.arguments
guard (3...4).contains(arguments.count) else { fail("usage: embed-pages FOLDER OUTPUT.swift [DOCS]") }
let folder = URL(filePath: arguments[1])

/// A raw string literal with as many marks as the text needs.
func literal(_ text: String) -> String {
    var marks = "#"
    while text.contains("\"\"\"" + marks) || text.contains("\\" + marks) { marks += "#" }
    return "\(marks)\"\"\"\n\(text)\n\"\"\"\(marks)"
}

func files(_ folder: URL) -> [String] {
    (FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []).filter { name in
        let isFolder =
            (try? folder.appending(path: name).resourceValues(forKeys: [.isDirectoryKey]))?.isDirectory ?? false
        return !isFolder && !(name.split(separator: "/").last ?? "").hasPrefix(".")
    }.sorted()
}

var names = files(folder).map { (path: $0, url: folder.appending(path: $0)) }
if arguments.count == 4 {
    let docs = URL(filePath: arguments[3])
    names += files(docs).filter { $0.hasSuffix(".md") }.map { ("docs/" + $0, docs.appending(path: $0)) }
}
guard !names.isEmpty else { fail("there are no files in \(folder.path)") }

var list = "", constants = ""
for (index, file) in names.enumerated() {
    let name = file.path
    guard let data = try? Data(contentsOf: file.url) else { fail("\(name) cannot be read") }
    // A carriage return or an end of line in a literal would not come back as it was.
    if let text = String(data: data, encoding: .utf8), !data.contains(13) {
        list += "        (\"\(name)\", Array(file\(index).utf8)),\n"
        constants += "private let file\(index) = \(literal(text))\n"
    } else {
        list += "        (\"\(name)\", [UInt8](Data(base64Encoded: file\(index)) ?? Data())),\n"
        constants += "private let file\(index) = \"\(data.base64EncodedString())\"\n"
    }
}
let source = """
    import Foundation

    package enum EmbeddedPages {
        package static let files: [(path: String, bytes: [UInt8])] = [
    \(list)    ]
    }

    \(constants)
    """
do { try Data(source.utf8).write(to: URL(filePath: arguments[2])) } catch { fail("\(error)") }
