import Foundation
import MartletJSON
import Testing
import TinyModels

#if canImport(Glibc)
import Glibc
#endif

/// Mistakes of the kinds that `MistakeTests` has, written otherwise: each is one sentence that says what to do.
@Suite struct NearMistakeTests {
    let program: Program
    init() throws { program = try Program() }

    // MARK: - Words

    /// The parser takes what begins with - for an option.
    @Test func numbersBelowZeroAreValues() throws {
        let model = try program.file()
        for (words, part) in [
            (["--temp", "-1"], "temperature is -1.0; expected a number in 0…100"),
            (["--seed", "-1"], "'--seed <seed>' (expected a whole number from 0)"),
            (["--seed", "1.5"], "(expected a whole number)"), (["--seed", "99999999999999999999"], "(too large)"),
            (["--max-tokens", "-5"], "--max-tokens is -5; expected 0 or more"), (["--top-k", "-1"], "top_k is -1"),
            (["--seed", "abc"], "(expected a whole number: The same seed gives the same reply)"),
            (["--temp", "0,5"], "(expected a number: 0 picks the most probable token)"),
            (["--max-tokens", "1e3"], "(expected a whole number, as 1000)"),
            (["--max-tokens", "٣"], "(expected a whole number: "),
        ] { try program.expect(2, ["run", model] + words + ["hi"], [part]) }
        try program.expect(2, ["serve", model, "--port", "-1"], ["--port is -1; expected a number from 0 to 65535"])
        // Where one has a meaning it is followed.
        for words in [["--beams", "2", "--length-penalty", "-1"], ["--presence-penalty", "-0.5"]] {
            let result = try program.run(["run", model] + words + ["-n", "2", "hi"])
            #expect(result.code == 0, "\(result)")
        }
    }

    @Test func aTextThatLooksLikeAnOptionIsToldOfTheTwoDashes() throws {
        let model = try program.file()
        for text in ["-5 + 3 = ?", "- a list"] {
            try program.expect(2, ["run", model, text], ["begins with -", "--"])
        }
        #expect(try program.run("run", model, "-n", "2", "--", "-5 + 3 = ?").code == 0)
        try program.expect(2, ["embed", "x", "--text", "- a list"], ["--text=VALUE"])
    }

    @Test func aModelInThePlaceOfAVerbIsToBeRun() throws {
        let model = try program.file()
        try program.expect(2, [model, "hi"], ["did you mean `martlet run \(model)`?"])
    }

    /// A first ./quickstart fetches one model of several.
    @Test(arguments: ["smollm2", "gemma3", "minilm"])
    func aShortNameThatIsNotHereIsFetchedByItsName(name: String) throws {
        try program.expect(1, ["show", name], ["./quickstart --models \(name)", "martlet pull \(name)"])
    }

    /// What is wrong is named, and nothing that is right.
    @Test func bitsAndGroupsOfAMethodAreToldApart() throws {
        let model = try program.file(), words = ["quantize", model, "--method", "rtn", "--out", "x"]
        for (more, part, other) in [
            (["--bits", "5"], "--bits of rtn is one of 2, 4, 8, not 5", "--group"),
            (["--group", "7"], "--group is from 8 to 65536, not 7", "--bits"),
        ] {
            try program.expect(2, words + more, [part])
            #expect(!(try program.run(words + more)).error.contains(other))
        }
    }

    @Test func addressesOfTheHubAreNames() throws {
        for name in [
            "https://huggingface.co/org/name", "hf.co/org/name", "huggingface.co/org/name/blob/main/x.gguf",
        ] {
            try program.expect(1, ["run", name, "hi"], [name, "martlet pull"])
            try program.expect(1, ["pull", name], ["org/name", "HF_HUB_OFFLINE"])
        }
    }

    // MARK: - Surroundings

    @Test func aHubThatIsNoAddressIsTold() throws {
        for endpoint in ["huggingface.co", "ftp://example.org"] {
            try program.expect(
                1, ["pull", "org/name"], ["HF_ENDPOINT", "https://"],
                environment: ["HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0"])
        }
    }

    @Test(arguments: [("::", "127.0.0.1"), ("::1", "::1")])
    func aPortThatIPv6UsesIsInUse(_ taken: String, _ host: String) throws {
        let listener = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var both: Int32 = 0
        setsockopt(listener, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &both, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        inet_pton(AF_INET6, taken, &address.sin6_addr)
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isListening else { try Test.cancel("this machine has no IPv6") }
        let port = UInt16(bigEndian: address.sin6_port)
        try program.expect(
            1, ["serve", try program.file(), "--host", host, "--port", "\(port)"], ["port \(port) is in use"])
    }

    // MARK: - Files

    @Test func aTaskFileShowsWhereItIsWrong() throws {
        try program.write("task.yaml", "task: t\n\tdataset_path: x\n")
        try program.write("task.json", "{\"task\": }")
        let model = try program.file()
        try program.expect(
            1, ["eval", model, "--tasks", "task.yaml"], ["task.yaml, line 2, column 1: "], hasCaret: true)
        try program.expect(1, ["eval", model, "--tasks", "task.json"], ["task.json: "])
    }

    @Test func whatStandsInThePlaceOfAFileIsNamed() throws {
        let model = try program.file(), folder = try program.folder("folder")
        for words in [
            ["create", "x", "-f"], ["train", "--config"], ["serve", model, "--port", "0", "--api-key-file"],
        ] { try program.expect(1, words + [folder], ["is a folder, expected a file"]) }
        try program.write("empty.jsonl", "")
        try program.expect(1, ["sft", model, "--data", "empty.jsonl", "--out", "run"], ["empty.jsonl"])
        try program.write("broken.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\"\n")
        let result = try program.run("sft", model, "--data", "broken.jsonl", "--out", "run")
        #expect(result.code == 1 && result.error.contains("broken.jsonl: line 2"), "\(result)")
        #expect(result.error.contains("--on-bad-record skip"))
    }
}
