import HTTPTypes

/// The id of a request in logs of client and server.
enum RequestID {
    /// The client's own id, if it is short and plain; else a new one.
    static func of(_ head: HTTPRequest) -> String {
        if let given = head.headerFields[.requestID], (1...128).contains(given.utf8.count),
            given.utf8.allSatisfy(isPlain)
        {
            return given
        }
        let digits = String(UInt64.random(in: 0...(.max)), radix: 16)
        return "req-" + String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: ":"):
            true
        default: false
        }
    }
}
