// swift-format-ignore-file
// Written by scripts/embed_pages.py from Sources/Server/Pages. Do not edit.

package enum EmbeddedPages {
    package static let files: [(path: String, bytes: [UInt8])] = [
    ]
}
