import Foundation
import MartletJSON
import Testing
import TinyModels

#if canImport(Glibc)
import Glibc
#endif

/// Mistakes of the kinds that `MistakeTests` has, written otherwise: each is one sentence that says what to do.
struct NearMistakeTests {
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

    /// Who gave three options learns which is wrong, and what would be right: a bound that is not told is none.
    @Test func aNumberOutOfItsBoundsIsToldAlone() throws {
        let model = try program.file()
        let merge = ["merge", model, "--adapter", "a", "--out", "merged"]
        let rows: [(words: [String], part: String)] = [
            (["serve", model, "--max-running", "0", "--max-queue", "5"], "--max-running is 0; expected 1 to 4096"),
            (["serve", model, "--max-running", "5", "--max-queue", "0"], "--max-queue is 0; expected 1 to 1000000"),
            (
                ["serve", model, "--idle-unload", "2e6"],
                "--idle-unload is 2000000; expected a number above 0, at most 1000000"
            ),
            (["serve", model, "--drain", "nan"], "--drain is nan; expected a number from 0 to 1000000 seconds"),
            (["serve", model, "--max-connections", "0"], "--max-connections is 0; expected 1 to 1000000"),
            (["serve", model, "--max-memory", "4"], "--max-memory is 4 bytes; expected 1MiB or more"),
            (["serve", model, "--cache-memory", "1.5"], "--cache-memory is 1 bytes; expected 1MiB or more"),
            (
                ["bench", "serve", "--model", "x", "--slo-ttft", "nan"],
                "--slo-ttft is nan; expected a number from 0.001"
            ),
            (["bench", model, "-p", "0"], "-p is 0; expected 1 or more tokens"),
            (["eval", model, "--retries", "101"], "--retries is 101; expected 0 to 100"),
            (
                ["eval", model, "--timeout", "inf"],
                "--timeout is inf; expected a number above 0, at most 1000000 seconds"
            ),
            (
                ["toxicity", model, "--data", "x", "--words", "y", "--temperature", "1e400"],
                "--temperature is inf; expected a number from 0 to 100"
            ),
            (["watermark", model, "--prompt", "a", "--delta", "1e400"], "--delta is inf; expected"),
            (["arena", "votes.jsonl", "--step", "1e400"], "--step is inf; expected a number above 0, at most 1000"),
            (merge + ["--method", "ties", "--density", "2"], "--density is 2; expected a number above 0, at most 1"),
            (["lens", model, "--data", "x", "--out", "y", "--steps", "-1"], "--steps is -1; expected 0 to 1000000"),
            (["features", model, "--data", "x", "--at", "y", "--penalty", "1e400"], "--penalty is inf; expected"),
            (
                ["attack", "suffix", model, "--prompt", "a", "--target", "b", "--batch", "0"],
                "--batch is 0; expected 1 to 10000"
            ),
            (["perplexity", model, "x", "--context", "8", "--stride", "9"], "--stride is 9; expected 1 to 8 tokens"),
            (["convert", model, "--to", "mlx", "--out", "x", "--bits", "5"], "--bits is 5; expected 2, 4 or 8"),
            (
                ["tokenizer", "train", "x.txt", "--vocab-size", "300", "--out", "tok", "--threads", "\(Int.max)"],
                "--threads is \(Int.max); expected 0 to 1024"
            ),
            (
                ["data", "pack", "x.txt", "--tokenizer", model, "--out", "y", "--shard-tokens", "0"],
                "--shard-tokens is 0; expected 1 or more"
            ),
            (
                ["scaling", "run", "--data", "x", "--out", "y", "--sizes", "2x32,-1"],
                "--sizes holds \"-1\"; expected LAYERSxWIDTH"
            ),
            (
                ["scaling", "plan", "--budget", "-1"],
                "--budget is -1; expected a number above 1000000, at most 1e+30 FLOPs"
            ),
            (["adapters", "expand", model, "--out", "x", "--blocks", "-1"], "--blocks is -1; expected 1 to 1024"),
            (
                ["expert", model, "--task", "arithmetic", "--out", "x", "--threshold", "nan"],
                "--threshold is nan; expected a number from -1000000 to 1000000"
            ),
            (["plan", "--params", "0"], "--params is 0; expected a number from 1 to 1e15"),
            (["plan", "--params", "nan"], "--params is nan; expected a number from 1 to 1e15"),
            (["plan", "--tokens", "0B"], "--tokens is 0; expected a number above 0"),
            (["plan", "--experts", "0"], "--experts: \"experts\" is 0; expected a whole number from 1 to 1024"),
        ]
        for (words, part) in rows {
            try program.expect(2, words, [part])
            let said = try program.run(words).error
            #expect(said.ranges(of: " expected ").count == 1, "\(said)")
        }
    }

    /// What an option sets where nothing reads it would be looked for in the result.
    @Test func anOptionThatNothingReadsIsRefused() throws {
        let model = try program.file()
        let merge = ["merge", model, "--adapter", "a", "--out", "merged"]
        for (words, part) in [
            (["serve", model, "--tune-runs", "2"], "--tune-runs is for --tune FOLDER"),
            (["serve", model, "--draft-tokens", "4"], "--draft-tokens is for --draft MODEL"),
            (merge + ["--density", "0.5"], "--density belongs to --method ties and dare"),
            (merge + ["--method", "ties", "--seed", "1"], "--seed belongs to --method dare"),
            (["plan", model, "--vocabulary", "500"], "give a model, or --depth"),
            (["plan", model, "--params", "1M"], "give a model, or --depth"),
            (["plan", "100M"], "write --params 100M"),
            (["plan", "--depth", "2", "--params", "1M"], "--params chooses the depth"),
            (["attack", "injection", model, "--concurrency", "2"], "--concurrency is of the requests to a server"),
            (["watermark", model, "--prompt", "a", "--timeout", "2"], "--timeout is of the requests to a server"),
            (
                ["watermark", "http://localhost:1/v1", "--prompt", "a"],
                "is the URL of a server, and this looks into the model"
            ),
            (["eval", model, "--task", "arithmetic", "--out", "results"], "--out is for --tasks"),
            (["eval", model, "--num-fewshot", "3"], "--num-fewshot is for --tasks"),
            (["eval", model, "--exact"], "--exact is"),
            (["eval", model, "--no-fewshot-as-multiturn"], "--no-fewshot-as-multiturn is for --tasks"),
            (["eval", model, "--tasks", "gsm8k", "--tokens", "512"], "--tokens is for --task and --questions"),
            (["eval", model, "--tasks", "gsm8k", "--retries", "1"], "--retries is for the model of a server"),
            (
                ["eval", model, "--questions", "q.jsonl", "--world-seed", "2"],
                "--world-seed says which questions are made"
            ),
        ] { try program.expect(2, words, [part]) }
    }

    @Test func aPromptLongerThanCanBeCountedIsRefused() throws {
        let model = try program.file()
        try program.expect(1, ["bench", model, "-p", "\(Int.max)"], ["do not fit in the context"])
    }

    @Test func aTextThatLooksLikeAnOptionIsToldOfTheTwoDashes() throws {
        let model = try program.file()
        for text in ["-5 + 3 = ?", "- a list"] {
            try program.expect(2, ["run", model, text], ["begins with -", "--"])
        }
        #expect(try program.run("run", model, "-n", "2", "--", "-5 + 3 = ?").code == 0)
        try program.expect(2, ["embed", "x", "--text", "- a list"], ["--text=VALUE"])
    }

    /// What stands where nothing is expected belongs to an option: data that is there, or a text.
    @Test func aWordTooManyIsToldItsOption() throws {
        let model = try program.file()
        try program.write("chat.jsonl", "{}\n")
        for (words, part) in [
            (["train", "chat.jsonl"], "Did you mean --data chat.jsonl?"),
            (["train", "--out", "run", "chat.jsonl"], "Did you mean --data chat.jsonl?"),
            (["sft", model, "chat.jsonl", "--out", "run"], "Did you mean --data chat.jsonl?"),
            (["dpo", model, "chat.jsonl"], "Did you mean --data chat.jsonl?"),
            (["embed", model, "a cat"], "Did you mean --text \"a cat\"?"),
            (["rerank", model, "a cat", "dogs"], "Did you mean --text dogs?"),
            (["show", model, "chat.jsonl"], "Unexpected argument 'chat.jsonl'; `martlet show --help`"),
            (["serve", model, "8080"], "there is no model \"8080\"; the port is given as --port 8080"),
        ] { try program.expect(2, words, [part]) }
    }

    /// transformers' users name a tokenizer.json, llama.cpp's a file of weights.
    @Test func aFileOfAModelsFolderIsToldTheFolder() throws {
        let model = try program.model()
        try program.write("text.txt", "the end of the thing")
        for words in [
            ["show", model + "/config.json"], ["run", model + "/model.safetensors", "hi"],
            ["tokenize", model + "/tokenizer.json", "hi"],
            ["data", "pack", "text.txt", "--out", "shards", "--tokenizer", model + "/tokenizer.json"],
        ] { try program.expect(1, words, ["that is a file of a model's folder; give the folder: \(model)"]) }
    }

    /// A path that leads nowhere is often nearly one, or a short name.
    @Test func aPathThatIsNearlyOneIsTold() throws {
        let model = try program.file()
        // With a letter in it that is not of its name.
        try program.expect(1, ["show", model.dropLast(5) + "s.gguf"], ["did you mean \(model)?"])
        for path in ["./smollm2", "smollm2.gguf"] {
            try program.expect(1, ["show", path], ["did you mean smollm2?"])
        }
        try program.expect(1, ["show", "./nothing-like-this"], ["there is no such file or folder"])
    }

    /// What costs nothing to see is told before a model is opened: here there is none.
    @Test(arguments: ["sft", "dpo", "reward", "grpo", "ppo", "distill", "embed-train", "classify-train"])
    func dataThatIsNotThereIsToldFirst(_ verb: String) throws {
        var words = [verb, "no-such-model", "--data", "nothing.jsonl", "--out", "run"]
        if verb == "distill" { words += ["--teacher", "http://127.0.0.1:9/v1"] }
        try program.expect(1, words, ["nothing.jsonl is not there", "--data"])
    }

    @Test func theOtherModelsOfARunAreNamedFirst() throws {
        try program.write("a.jsonl", #"{"text": "the end"}"#)
        let data = ["--data", "a.jsonl", "--out", "run"]
        try program.expect(1, ["distill", "no-such-model", "--teacher", "smolm2"] + data, ["\"smolm2\""])
        try program.expect(
            2, ["ppo", "no-such-model", "--reward-model", "smollm2"] + data, ["--reward-model", "`martlet reward`"])
        try program.expect(2, ["dpo", "no-such-model", "--pairs", "a.jsonl"], ["--pairs", "--data"])
        let url = "http://127.0.0.1:9/v1"
        try program.expect(2, ["eval", url, "--task", "arithmetic"], [url, "--tasks"])
    }

    @Test func aNumberOfParametersIsToldAsADepth() throws {
        try program.expect(
            2, ["train", "--params", "100M", "--data", "x"],
            ["--depth sets every size", "`martlet plan --params 100M`"])
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

    /// What only looks needs no place to write to; what writes does, and is told so.
    @Test func lookingNeedsNoPlaceToWrite() throws {
        let model = try program.file()
        for words in [["--to", "q4_k_m"], ["--method", "nf4"]] {
            let looked = try program.run(["quantize", model] + words + ["--dry-run"])
            #expect(looked.code == 0 && !looked.output.isEmpty, "\(looked)")
            try program.expect(2, ["quantize", model] + words, ["--out", "--dry-run"])
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
