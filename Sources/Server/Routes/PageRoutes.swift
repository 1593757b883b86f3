import HTTPTypes
import MartletAPI
import MartletFormats
import MartletSystem

/// A file of the pages.
struct PageFile: Sendable {
    let path: String
    let bytes: [UInt8]

    var type: String {
        switch path.split(separator: ".").last {
        case "html": "text/html; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "js": "text/javascript; charset=utf-8"
        case "json": "application/json"
        case "md": "text/markdown; charset=utf-8"
        case "svg": "image/svg+xml"
        case "png": "image/png"
        case "woff2": "font/woff2"
        default: "application/octet-stream"
        }
    }

    var tag: String {
        "\"\(SHA256.hash(bytes).prefix(12).hexadecimal)\""
    }
}

extension Server {
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        + "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

    /// The pages: `index.html` at /, other pages at their name, every file under /ui.
    func pageRoutes() -> [Route] {
        let files = EmbeddedPages.files.map { PageFile(path: $0.path, bytes: $0.bytes) }
        let byPath = Dictionary(files.map { ($0.path, ($0, $0.tag)) }) { first, _ in first }
        var routes = files.filter { $0.path.hasSuffix(".html") && !$0.path.contains("/") }.map { file in
            let path = file.path == "index.html" ? "/" : "/" + file.path.dropLast(5)
            return Route(.get, path, scope: .open, summary: "A page for people.") { [self] call in
                try page(file.path, byPath, call)
            }
        }
        if files.isEmpty {
            routes.append(
                Route(.get, "/", scope: .open, summary: "A page for people.") { _ in .text("Martlet is running.\n") })
        }
        routes.append(
            Route(.get, "/ui/{path...}", scope: .open, summary: "A file of the pages.") { [self] call in
                try page(call.parameters["path"] ?? "", byPath, call)
            })
        return routes
    }

    private func page(_ path: String, _ files: [String: (PageFile, String)], _ call: Call) throws -> Response {
        var (file, tag) = files[path] ?? (PageFile(path: path, bytes: []), "")
        if let folder = settings.pagesFolder {
            guard Folder.isPlainRelativePath(path), Folder.isFile("\(folder)/\(path)") else { throw Self.noPage(path) }
            file = PageFile(path: path, bytes: try Folder.read("\(folder)/\(path)"))
            tag = file.tag
        } else if tag.isEmpty {
            throw Self.noPage(path)
        }
        let isKnown = call.head.headerFields[.ifNoneMatch]?.contains(tag) ?? false
        var response = isKnown ? Response(status: .notModified) : .bytes(file.bytes, type: file.type)
        response.headers[.eTag] = tag
        response.headers[.cacheControl] = "no-cache"
        response.headers[.contentSecurityPolicy] = Self.policy
        response.headers[.referrerPolicy] = "no-referrer"
        return response
    }

    private static func noPage(_ path: String) -> APIError {
        APIError(status: 404, "There is no page \(path.shown(limit: 200)).", code: "not_found")
    }
}
