import Foundation
import PackagePlugin

/// Makes the files under a target's `Pages` folder part of it, and the package's documentation as `docs/…`:
/// `EmbeddedPages.files`, written anew whenever one changes.
@main struct EmbedPages: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let folder = target.directoryURL.appending(path: "Pages")
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedPages.swift")
        let docs = context.package.directoryURL.appending(path: "docs")
        let inputs = [folder, docs].flatMap { folder in
            (FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []).sorted()
                .filter { folder == docs ? $0.hasSuffix(".md") : true }.map { folder.appending(path: $0) }
        }
        return [
            .buildCommand(
                displayName: "Embedding the pages", executable: try context.tool(named: "embed-pages").url,
                arguments: [folder.path, output.path, docs.path], inputFiles: inputs, outputFiles: [output])
        ]
    }
}
