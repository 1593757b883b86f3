import MartletSystem
import Testing

struct QuotedTextTests {
    @Test func controlsAreEscaped() {
        #expect("a\u{1B}[2Jb".quoted() == "\"a\\u{1B}[2Jb\"")
        #expect("a\u{9B}2J\u{7F}\0".shown() == "a\\u{9B}2J\\u{7F}\\u{0}")
        #expect("a\n\r\tb".shown() == "a\\n\\r\\tb")
        #expect("\u{202E}abc\u{2066}\u{2028}".shown() == "\\u{202E}abc\\u{2066}\\u{2028}")
        #expect("ü ▁ 字 👩‍💻 \\s+\"".shown() == "ü ▁ 字 👩‍💻 \\s+\"")
    }

    @Test func longTextIsCut() {
        #expect(String(repeating: "a", count: 80).quoted() == "\"\(String(repeating: "a", count: 80))\"")
        #expect(String(repeating: "é", count: 100).quoted(limit: 3) == "\"ééé…\" (200 bytes)")
        #expect(String(repeating: "a", count: 100).shown(limit: 3) == "aaa…")
        #expect([UInt8](repeating: 0x61, count: 1 << 24).quoted(limit: 3) == "\"aaa…\" (16777216 bytes)")
        #expect(Array("ab\u{1B}".utf8).quoted(limit: 3) == "\"ab\\u{1B}\"")
        #expect([UInt8]([0x61, 0xFF]).quoted(limit: 3) == "\"a\u{FFFD}\"")
    }

    @Test func wholeMessagesKeepTheirLines() {
        #expect("one\n\ttwo\u{1B}c".printable == "one\n\ttwo\\u{1B}c")
        let long = String(repeating: "x", count: 1000)
        #expect(long.printable == long)
    }
}
