import Martlet
import Testing

/// `logits` and `show` as a user has them.
@Suite struct InspectTests {
    let program: Program

    init() throws { program = try Program() }

    private func logits(_ name: String) throws -> [Float] {
        try SafetensorsFile(path: program.home + "/" + name).tensor("logits").toArray(as: Float.self)
    }

    @Test func theReferenceComputesWhatTheKernelsDo() throws {
        let file = try program.file(), ids = ["--ids", "5,9,40,31,7"]
        let fast = try program.run(["logits", file, "--exact", "--out", "a.safetensors"] + ids)
        #expect(fast.code == 0, "\(fast.error)")
        let slow = try program.run(
            ["logits", file, "--out", "b.safetensors"] + ids, environment: ["MARTLET_BACKEND": "reference"])
        #expect(slow.code == 0, "\(slow.error)")
        let (found, wanted) = (try logits("a.safetensors"), try logits("b.safetensors"))
        let scale = wanted.map(abs).max() ?? 0
        #expect(found.count == wanted.count && scale > 0 && found != wanted, "two ways of computing")
        #expect(zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-4 * scale })
        let unknown = try program.run(
            ["logits", file, "--out", "c.safetensors"] + ids, environment: ["MARTLET_BACKEND": "abacus"])
        #expect(unknown.code == 1 && unknown.error.contains("\"abacus\" is not a backend: use cpu or reference"))
        // Replies are computed over a cache, which the formulas have none of.
        let reply = try program.run(["run", file, "hello"], environment: ["MARTLET_BACKEND": "reference"])
        #expect(reply.code != 0 && reply.error.contains("martlet logits"))
    }

    @Test func theTreeHasARowForEveryParameter() throws {
        let file = try program.file()
        let rows = try program.run("show", file, "--tree", "--json").json()["tree"]?.array ?? []
        let lines = try program.run("show", file, "--tree").output.split(separator: "\n")
        #expect(rows.count == 21, "two layers of nine, table, norm and head")
        let row = try #require(rows.first { $0["path"]?.string == "model.layers.0.mlp.up_proj.weight" })
        #expect(row["kind"] == "linear" && row["type"] == "F32" && row["shape"] == "[48, 32]")
        #expect(row["bytes"] == 6144 && row["trained"] == false)
        #expect(lines.contains { $0.hasPrefix("linear") && $0.contains("frozen") && $0.hasSuffix("up_proj.weight") })
    }

    @Test func showTellsWhatAConversationTakes() throws {
        let shown = try program.run("show", try program.file(), "--json").json()
        // Two layers, two heads of keys and values of eight numbers, two bytes.
        #expect(shown["cache"]?["bytes_per_token"] == .integer(2 * 2 * 2 * 8 * 2))
        #expect(shown["cache"]?["lengths"]?.array?.last?["tokens"] == 256)
        #expect(shown["cache"]?["lengths"]?.array?.last?["bytes"] == .integer(256 * 128))
    }
}
