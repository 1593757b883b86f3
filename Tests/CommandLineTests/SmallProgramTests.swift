import Foundation
import MartletJSON
import Testing
import TinyModels

/// `martlet-small`, which `./quickstart` builds: its verbs are those of the whole program, and of the others it says what
/// builds them.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Program.smallPath), "martlet-small is not built"))
struct SmallProgramTests {
    let program: Program, whole: Program

    init() throws {
        (program, whole) = (try Program(), try Program())
        program.path = Program.smallPath
    }

    private func verbs(_ program: Program) throws -> [String: JSON] {
        let described = try program.run("--experimental-dump-help").json()["command"]?["subcommands"]?.array ?? []
        return Dictionary(
            described.compactMap { verb in verb["commandName"]?.string.map { ($0, verb) } }, uniquingKeysWith: { $1 })
    }

    @Test func everyVerbOfTheWholeProgramIsThereOrIsToldOf() throws {
        let small = try verbs(program), all = try verbs(whole)
        #expect(small["run"] != nil && small["pull"] != nil && small["serve"] == nil)
        #expect(Set(small.keys).subtracting(all.keys) == [])
        // The same flags and words, but for `bench`, which measures models only.
        for (name, verb) in small where name != "bench" { #expect(verb == all[name], "\(name)") }
        let missing = Set(all.keys).subtracting(small.keys)
        #expect(missing.count > 20)
        for verb in missing {
            for words in [[verb], [verb, "--help"], ["help", verb]] {
                let result = try program.run(words)
                #expect(result.code == 2 && result.output.isEmpty, "\(result)")
                #expect(result.error.hasPrefix("martlet: `martlet \(verb)` is not in the small program"), "\(result)")
                #expect(result.error.contains("./install"), "\(result)")
                #expect(result.error.split(separator: "\n").count == 1, "\(result)")
            }
        }
        let help = try program.run("--help").output.split(separator: "\n").joined(separator: " ")
        let list = try #require(help.firstMatch(of: /Not in this program: +([a-z, -]+)\./)).1
        #expect(Set(list.split { $0 == "," || $0 == " " }.map(String.init)) == missing)
    }

    @Test func itAnswersWithTheBytesOfTheWholeProgram() throws {
        let model = try program.model()
        let arguments = ["run", model, "--raw", "--temp", "0", "-n", "8", "--quiet", "Once"]
        let (small, all) = (try program.run(arguments), try whole.run(arguments))
        #expect(small.code == 0 && small.output == all.output && !small.output.isEmpty, "\(small)")
    }

    @Test func aMistakenVerbIsAnswered() throws {
        let server = try program.run("bench", "serve", "--model", "smollm2")
        #expect(server.code == 2 && server.error.contains("`martlet bench serve` is not in the small"), "\(server)")
        let result = try program.run("rum", "smollm2")
        #expect(result.code == 2 && result.error.contains("did you mean `martlet run`?"), "\(result)")
    }
}
