import MartletAPI
import MartletServer
import Testing

struct KeyTests {
    @Test func aFileNamesKeysScopesAndQuotas() throws {
        let keys = try KeyFile.parse(
            """
            # everybody
            alice  sk-alice-1  scopes=inference,metrics rpm=60 tokens-per-day=1000 concurrent=4

            ci sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
            sk-without-name
            """, file: "keys.txt")
        #expect(keys.map(\.name) == ["alice", "ci", "key3"])
        #expect(keys[0].scopes == [.inference, .metrics])
        #expect(keys[0].quota.requestsPerMinute == 60)
        #expect(keys[0].quota.tokensPerDay == 1000)
        #expect(keys[0].quota.concurrentRequests == 4)
        #expect(keys[2].scopes == [.inference])
        let ring = KeyRing(keys)
        #expect(ring.caller(showing: "sk-alice-1")?.name == "alice")
        #expect(ring.caller(showing: "test")?.name == "ci")
        #expect(ring.caller(showing: "sk-alice-2") == nil)
        #expect(ring.caller(showing: "") == nil)
    }

    @Test(arguments: [
        ("", "no keys"), ("alice short", "8 characters"), ("alice sk-alice-1 scopes=everything", "scope"),
        ("alice sk-alice-1 rpm=0", "above 0"), ("alice sk-alice-1 colour=red", "colour"),
        ("alice sha256:12", "64 hexadecimal"), ("a sk-alice-1\nb sk-alice-1", "already used"),
        ("a sk-alice-1 oops", "oops"),
    ])
    func aBrokenLineIsNamed(text: String, part: String) {
        #expect {
            try KeyFile.parse(text, file: "keys.txt")
        } throws: { error in
            "\(error)".contains(part) && "\(error)".contains("keys.txt") && !"\(error)".contains("sk-alice-1")
        }
    }

    @Test func requestsAMinuteRunOutAndComeBack() throws {
        var quota = KeyQuota()
        quota.requestsPerMinute = 2
        let start = ContinuousClock.now
        let meter = KeyMeter(quota, now: start)
        for _ in 0..<2 {
            try meter.begin(now: start)
            meter.end(tokens: 0)
        }
        do {
            try meter.begin(now: start)
            Issue.record("a third request was let through")
        } catch {
            #expect(error.status == 429)
            #expect(abs((error.retryAfterSeconds ?? 0) - 30) < 0.01)
        }
        try meter.begin(now: start + .seconds(31))
    }

    @Test func requestsAtATimeAreBounded() throws {
        var quota = KeyQuota()
        quota.concurrentRequests = 1
        let meter = KeyMeter(quota)
        try meter.begin()
        #expect(throws: APIError.self) { try meter.begin() }
        meter.end(tokens: 5)
        try meter.begin()
    }

    @Test func tokensADayRunOutUntilTheNext() throws {
        var quota = KeyQuota()
        quota.tokensPerDay = 100
        let start = ContinuousClock.now
        let meter = KeyMeter(quota, now: start)
        try meter.begin(now: start)
        meter.end(tokens: 100)
        #expect(throws: APIError.self) { try meter.begin(now: start + .seconds(60)) }
        try meter.begin(now: start + .seconds(86_401))
    }
}
