import MartletServer
import Testing

@Test func errorsReachThroughTheServer() { #expect(APIError("x").status == 400) }
