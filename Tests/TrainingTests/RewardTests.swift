import MartletChat
import MartletFormats
import MartletJSON
import MartletTraining
import TestServers
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct RewardTests: TinyRuns {
    private func request(_ reply: String, _ answer: String? = nil) -> RewardRequest {
        RewardRequest(
            prompt: [ChatMessage(role: "user", content: "how many?")], reply: reply, answer: answer,
            columns: ["level": 3])
    }

    private func score(_ name: String, _ reply: String, _ answer: String? = nil) throws -> Double {
        try #require(try RewardSum(name)([request(reply, answer)]).totals.first)
    }

    @Test(
        arguments: [
            ("exact", " 42\n", "42", 1), ("exact", "42.", "42", 0), ("number", "so 6 × 7 = 42.", "#### 42", 1),
            ("number", "1,234.50 in all", "1234.5", 1), ("number", "it is -7", "7", 0), ("number", "pages 3-7", "7", 1),
            ("number", "none", "7", 0), ("contains", "the capital is Paris.", "Paris", 1), ("contains", "no", "", 0),
            ("choice", "The answer is (B).", "B", 1), ("choice", "A or C? C", "A", 0),
            ("boxed", "so \\boxed{\\frac{1}{2}}", "\\frac{1}{2}", 1), ("boxed", "\\boxed{1} then \\boxed{2}", "2", 1),
            ("boxed", "2", "2", 0), ("format", "<think>x</think>\n<answer>y</answer>", "", 1),
            ("format", "<answer>y</answer>", "", 0), ("json", " {\"a\": 1} ", "", 1), ("json", "{a}", "", 0),
            ("tag_count", "<think>\nx\n</think>\n<answer>\ny\n</answer>", "", 1),
            ("tag_count", "<think>\nx</think>\n<answer>\ny\n</answer>", "", 0.75), ("tag_count", "y", "", 0),
            ("length:4", "1234", "", 1), ("length:4", "123456", "", 0.5), ("length:4", "123456789", "", 0),
            ("math", "so \\boxed{0.5}", "\\frac{1}{2}", 1), ("math", "#### 7", "8", 0),
            ("regex:/^a+b{1,2}$/", "aab", "", 1), ("regex:/^a+b$/", "b", "", 0), ("regex:[0-9]", "is 7", "", 1),
        ] as [(String, String, String, Double)])
    func builtInRewardsAreWhatTheySay(_ name: String, _ reply: String, _ answer: String, _ wanted: Double) throws {
        #expect(try score(name, reply, answer) == wanted)
    }

    @Test func rewardsAddUpWithTheirWeights() throws {
        let sum = try RewardSum("number,json=0.5,length:2=-0.25")
        let (totals, means) = try sum([request("42", "42"), request("forty", "42")])
        #expect(totals == [1.25, 0])
        #expect(means.map(\.name) == ["reward_number", "reward_json", "reward_length:2"])
    }

    @Test func whatIsWrongIsNamed() throws {
        let wrong = message { _ = try RewardSum("nubmer") }
        #expect(
            wrong.contains("there is no reward \"nubmer\"; did you mean \"number\"? There are task, exact"), "\(wrong)")
        #expect(
            message { _ = try RewardSum("beauty") }.contains("there is no reward \"beauty\"; there are task, exact"))
        #expect(message { _ = try RewardSum("number=x") }.contains("is no number"))
        #expect(message { _ = try RewardSum("number,,json") }.contains("a name is empty"))
        let listed = try RewardSum("regex:/a,b=1/=0.5,json")
        #expect(listed.parts.map(\.weight) == [0.5, 1])
        #expect(message { _ = try RewardSum("regex:/(/") }.contains("no regular expression"))
        #expect(message { _ = try RewardSum("accuracy") }.contains("did you mean \"math\"?"))
        #expect(message { _ = try RewardSum("length:0") }.contains("there is no reward"))
        #expect(message { _ = try score("exact", "42") }.contains("has none"))
        #expect(message { _ = try score("task", "42") }.contains("name another"))
        #expect(message { _ = try RewardSum("/no/such") }.contains("cannot be run"))
        let broken = RewardSum([(Reward("broken") { _ in .nan }, 1)])
        let named = message { _ = try broken([request("x")]) }
        #expect(named.contains("is nan") && named.contains("the reply \"x\" to \"how many?\""), "\(named)")
        struct Fault: Error {}
        let failing = RewardSum([(Reward("failing") { if $0.reply == "b" { throw Fault() } else { 1 } }, 1)])
        let failed = message { _ = try failing([request("a"), request("b")]) }
        #expect(failed.contains("reward failing failed on the reply \"b\""), "\(failed)")
        let short = RewardSum([(Reward("short", replies: { _ in [] }), 1)])
        #expect(message { _ = try short([request("x")]) }.contains("0 numbers for 1 replies"))
    }

    // MARK: - Programs

    private func program(_ name: String, _ text: String) throws -> String {
        let path = try emptyFolder("reward-" + name) + "/judge.sh"
        try AtomicFile.write(path, bytes: Array(("#!/bin/sh\n" + text).utf8))
        chmod(path, 0o755)
        return path
    }

    @Test func aProgramAnswersEachReplyAndIsStartedOnce() throws {
        // The n-th line it reads is worth n; that it has the answer and the columns a hundred more each.
        let path = try program(
            "count",
            """
            n=0
            while read -r line; do
              n=$((n + 1)); s=$n
              case "$line" in *'"answer":"42"'*) s=$((s + 100));; esac
              case "$line" in *'"level":3'*) s=$((s + 100));; esac
              if [ $((n % 2)) = 0 ]; then echo "{\\"reward\\": $s}"; else echo $s; fi
            done
            """)
        let sum = try RewardSum(path + "=2")
        #expect(try sum([request("a", "42"), request("b")]).totals == [402, 204])
        // Much more than a pipe holds, in both directions.
        let many = (0..<3000).map { _ in request(String(repeating: "x", count: 500)) }
        #expect(try sum(many).totals.last == 2 * (3002 + 100))
    }

    @Test(arguments: [
        ("slow", "while read -r line; do sleep 1000; done", RewardError.Kind.timeout),
        ("gone", "read -r line; echo 1; exit 3", .exited), ("none", "exit 0", .exited),
        ("nan", "while read -r line; do echo nan; done", .number),
        ("text", "while read -r l; do echo ok; done", .number),
    ])
    func aProgramThatDoesNotAnswerIsATypedError(_ name: String, _ text: String, _ kind: RewardError.Kind) throws {
        let sum = try RewardSum(try program(name, text), seconds: kind == .timeout ? 1 : 600)
        let clock = ContinuousClock(), start = clock.now
        let error = #expect(throws: RewardError.self) { try sum([request("a"), request("b")]) }
        #expect(error?.kind == kind, "\(error?.description ?? "none")")
        // The reply that it was at is named.
        let at = name == "gone" ? "b" : "a"
        #expect(error?.description.contains("the reply \"\(at)\"") ?? false, "\(error?.description ?? "none")")
        // Much less than the program would sleep.
        #expect(clock.now - start < .seconds(500))
    }

    @Test func answersThatWereNotAskedForAreNoAnswersToTheNextReply() throws {
        let path = try program(
            "more",
            """
            read -r l; echo 1
            while [ ! -e "$0.go" ]; do sleep 0.05; done
            echo 2; : > "$0.said"; sleep 1000
            """)
        let sum = try RewardSum(path, seconds: 600)
        #expect(try sum([request("a")]).totals == [1])
        try AtomicFile.write(path + ".go", bytes: [])
        #expect(waited { access(path + ".said", F_OK) == 0 })
        let error = #expect(throws: RewardError.self) { try sum([request("b")]) }
        #expect(error?.kind == .count)
    }

    @Test func aProgramIsKilledAtTheEndWithWhatItStarted() throws {
        let path = try program(
            "stays",
            """
            trap '' TERM HUP
            sleep 1000 &
            echo $$ > "$0.pid"
            read -r line; echo 1
            while :; do sleep 1; done
            """)
        do {
            let sum = try RewardSum(path, seconds: 600)
            #expect(try sum([request("a")]).totals == [1])
        }
        let text = String(decoding: try Folder.read(path + ".pid"), as: UTF8.self)
        let process = try #require(Int32(text.split(separator: "\n")[0]))
        #expect(waited { kill(-process, 0) != 0 && errno == ESRCH })
    }
}
