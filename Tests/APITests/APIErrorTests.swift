import MartletAPI
import Testing

@Test func anErrorSaysItsMessage() { #expect("\(APIError("no such model"))" == "no such model") }
