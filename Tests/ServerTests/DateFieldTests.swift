import Foundation
import MartletServer
import Testing

struct DateFieldTests {
    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_827_696, "Tue, 29 Feb 2000 12:34:56 GMT"),
    ])
    func datesAreWrittenAsInRFC9110(_ second: Int, _ text: String) {
        #expect(DateField.text(at: second) == text)
    }

    @Test func everyReplyTellsItsTime() async throws {
        try await RunningServer.with { running in
            for path in ["/health", "/nothing"] {
                let date = try #require(try await running.get(path).fields["date"])
                let now = Int(Date.now.timeIntervalSince1970)
                #expect((0...300).contains { DateField.text(at: now - $0) == date }, "\(date) in the second \(now)")
            }
        }
    }
}
