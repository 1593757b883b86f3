import MartletSystem
import Testing

struct ElapsedTimeTests {
    @Test(
        arguments: [
            (0, 0, "0 s"), (0.04, 1, "0.0 s"), (0.05, 2, "0.05 s"), (9.96, 1, "10.0 s"), (59.4, 0, "59 s"),
            (59.6, 0, "1 min"), (59.96, 1, "1 min"), (60, 0, "1 min"), (187, 0, "3 min 7 s"), (3599, 1, "59 min 59 s"),
            (3599.7, 0, "1 h"), (3600, 0, "1 h"), (4350, 0, "1 h 12 min"), (7199, 0, "1 h 59 min"),
            (86399, 0, "23 h 59 min"),
            (86400, 0, "1 d"), (190_900, 0, "2 d 5 h"), (-3, 1, "0.0 s"), (.nan, 0, "0 s"),
        ] as [(Double, Int, String)])
    func twoUnitsAtMost(seconds: Double, decimals: Int, text: String) {
        #expect(ElapsedTime.text(seconds, decimals: decimals) == text)
    }

    @Test func noNumberTraps() {
        for seconds in [Double.infinity, -.infinity, .greatestFiniteMagnitude, 0x1p63, -0x1p63] {
            #expect(!ElapsedTime.text(seconds, decimals: 3).isEmpty)
        }
    }

    /// What a time loses in print is less than its second unit.
    @Test func aTimeIsReadBackWithinItsSecondUnit() {
        let sizes = ["d": 86400.0, "h": 3600, "min": 60, "s": 1]
        for seconds in stride(from: 0.5, to: 400_000, by: 37.25) {
            let words = ElapsedTime.text(seconds).split(separator: " ")
            var sum = 0.0, smallest = 1.0
            for at in stride(from: 0, to: words.count, by: 2) {
                smallest = sizes[String(words[at + 1])] ?? 0
                sum += (Double(words[at]) ?? .nan) * smallest
            }
            if words.count == 2, smallest > 1 { smallest /= smallest > 3600 ? 24 : 60 }
            #expect(abs(sum - seconds) <= smallest, "\(seconds): \(words)")
        }
    }
}
