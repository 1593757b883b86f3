import HTTPTypes
import MartletServer
import Testing

struct RouteTableTests {
    let table = RouteTable([
        Route(.get, "/a", scope: .open, summary: "") { _ in Response(status: .ok) },
        Route(.post, "/a", scope: .open, summary: "") { _ in Response(status: .ok) },
        Route(.get, "/models/{model...}", scope: .open, summary: "") { _ in Response(status: .ok) },
        Route(.post, "/x/{id}/stop", scope: .open, summary: "") { _ in Response(status: .ok) },
    ])

    private func parameters(_ method: HTTPRequest.Method, _ path: String) -> [String: String]? {
        if case .route(_, let parameters) = table.match(method, path) { parameters } else { nil }
    }

    @Test func pathsAreFoundWithTheirParameters() {
        #expect(parameters(.get, "/a") == [:])
        #expect(parameters(.get, "/models/org/name:Q4") == ["model": "org/name:Q4"])
        #expect(parameters(.post, "/x/17/stop") == ["id": "17"])
    }

    @Test func headIsGet() { #expect(parameters(.head, "/a") == [:]) }

    @Test(arguments: ["/b", "/a/", "/models/", "/models", "/x//stop", "/x/1", "/x/1/stop/2", "", "a"])
    func otherPathsAreNot(path: String) {
        if case .none = table.match(.get, path) {} else { Issue.record("\(path) was found") }
    }

    @Test func anotherMethodIsToldWhichThereAre() {
        guard case .otherMethods(let methods) = table.match(.delete, "/a") else {
            Issue.record("found")
            return
        }
        #expect(Set(methods.map(\.rawValue)) == ["GET", "POST", "HEAD", "OPTIONS"])
    }
}
