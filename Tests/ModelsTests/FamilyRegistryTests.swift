import Foundation
import MartletJSON
import MartletModels
import Testing
import TinyModels

/// A family is one file and one line: nothing else asks for it by name.
struct FamilyRegistryTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The Swift files under a folder of `Sources`, but for those of the families.
    private static func sources(_ folder: String) throws -> [URL] {
        let walk = FileManager.default.enumerator(
            at: root.appending(path: "Sources/" + folder), includingPropertiesForKeys: nil)
        return (walk?.allObjects ?? []).compactMap { $0 as? URL }
            .filter { $0.pathExtension == "swift" && !$0.path.contains("/Families/") }
    }

    @Test(arguments: ["Models", "NN", "Inference", "Data", "Server", "Hub"])
    func nobodyAsksForAFamilyByName(_ room: String) throws {
        let names = Set(Family.all.flatMap(\.modelTypes).map { "\"\($0)\"" })
        let files = try Self.sources(room)
        #expect(!files.isEmpty)
        for file in files {
            for (index, line) in try String(contentsOf: file, encoding: .utf8).split(separator: "\n").enumerated()
            where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                for name in names where line.contains(name) {
                    Issue.record("\(file.lastPathComponent):\(index + 1) says \(name)")
                }
            }
        }
    }

    @Test func namesAreThoseOfOneFamily() {
        let names = Family.all.flatMap(\.modelTypes)
        #expect(Set(names).count == names.count)
        #expect(Family.supportedArchitectures == names)
    }

    /// Every family has a checkpoint that transformers computed something from.
    @Test func everyFamilyHasAGolden() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: FamilyTests.goldens)
        var types: Set<String> = []
        for folder in folders {
            let path = "\(FamilyTests.goldens)/\(folder)/config.json"
            guard let bytes = FileManager.default.contents(atPath: path) else { continue }
            let config = try JSON(parsing: bytes)
            for part in [config, config["text_config"]] { part?["model_type"]?.string.map { _ = types.insert($0) } }
        }
        for name in FamilyGolden.names {
            try FamilyGolden(name).config["model_type"]?.string.map { _ = types.insert($0) }
        }
        for family in Family.all {
            #expect(!types.isDisjoint(with: family.modelTypes), "\(family.modelTypes)")
        }
    }
}
