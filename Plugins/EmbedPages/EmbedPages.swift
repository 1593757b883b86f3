import Foundation
import PackagePlugin

/// Makes the files under a target's `Pages` folder part of it: `EmbeddedPages.files`, written anew whenever one changes.
@main struct EmbedPages: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let folder = target.directoryURL.appending(path: "Pages")
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedPages.swift")
        let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        return [
            .buildCommand(
                displayName: "Embedding the pages", executable: try context.tool(named: "embed-pages").url,
                arguments: [folder.path, output.path],
                inputFiles: names.sorted().map { folder.appending(path: $0) }, outputFiles: [output])
        ]
    }
}
