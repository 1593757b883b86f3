/// Tokens in order of id, and their ids.
struct TokenNames: Sendable {
    private(set) var tokens: [[UInt8]] = []
    private var ids: [[UInt8]: Int32] = [:]

    var count: Int { tokens.count }

    func id(of token: [UInt8]) -> Int32? { ids[token] }

    /// The id of a token; a new token gets the next id.
    @discardableResult
    mutating func insert(_ token: [UInt8]) -> Int32 {
        if let id = ids[token] { return id }
        let id = Int32(tokens.count)
        tokens.append(token)
        ids[token] = id
        return id
    }
}
