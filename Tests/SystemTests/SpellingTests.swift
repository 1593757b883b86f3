import MartletSystem
import Testing

struct SpellingTests {
    @Test(arguments: [
        ("kitten", "sitting", 3), ("", "abc", 3), ("run", "run", 0), ("é", "e", 1), ("pakc", "pack", 1),
        ("ca", "abc", 3),
    ])
    func distancesAreThoseOfOptimalAlignment(_ a: String, _ b: String, _ edits: Int) {
        #expect(Spelling.distance(a, b) == edits)
        #expect(Spelling.distance(b, a) == edits)
    }

    @Test func aNameIsGuessedOnlyWhereItIsNear() {
        let names = ["smollm2", "gemma3", "minilm"]
        #expect(Spelling.nearest(to: "smolm2", among: names) == "smollm2")
        #expect(Spelling.nearest(to: "Gema3", among: names) == "gemma3")
        #expect(Spelling.nearest(to: "llama", among: names) == nil)
        #expect(Spelling.nearest(to: "pakc", among: ["pack", "preview"]) == "pack")
        #expect(Spelling.nearest(to: "rn", among: ["run", "pull"]) == "run")
    }

    @Test func longNamesTakeNoLonger() {
        let long = String(repeating: "a", count: 1_000_000)
        #expect(Spelling.distance(long, "b") == 64)
    }
}
