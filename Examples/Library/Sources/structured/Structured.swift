import Martlet

/// An answer that can only be JSON of a schema, and becomes a value of Swift.
@main
struct Structured {
    static func main() async throws {
        let schema: JSON = [
            "type": "object",
            "properties": [
                "capital": ["type": "string", "maxLength": 30], "inhabitants": ["type": "integer", "minimum": 0],
            ],
            "required": ["capital", "inhabitants"], "additionalProperties": false,
        ]
        let session = ChatSession(try await Model.load("smollm2"))
        let reply = try await session.reply(to: "Describe France: its capital and its inhabitants.", schema: schema)
        let answer = try reply.json()
        print(answer["capital"]?.string ?? "?", answer["inhabitants"]?.integer ?? 0)
    }
}
