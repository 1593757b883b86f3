import MartletJSON
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

func logarithm(_ value: Double) -> Double { log(value) }

/// One request of a run. It depends only on the seed and its index, not on other requests.
package struct LoadRequest: Sendable {
    package let body: [UInt8]

    package init(_ options: LoadOptions, index: Int) {
        var random = RandomStream(seed: options.seed, stream: UInt64(2 + index))
        let promptLength = options.promptLength.draw(&random)
        let replyLength = options.replyLength.draw(&random)
        var shared = RandomStream(seed: options.seed, stream: 0)
        var words = (0..<min(options.sharedPrefix, promptLength)).map { _ in Self.word(&shared) }
        while words.count < promptLength { words.append(Self.word(&random)) }
        let text = words.joined(separator: " ")
        let question: (String, JSON) =
            switch options.endpoint {
            case .completions: ("prompt", .string(text))
            case .chat: ("messages", [["role": "user", "content": .string(text)]])
            }
        let members: [(String, JSON)] = [
            question, ("model", .string(options.model)), ("max_tokens", .integer(Int64(replyLength))),
            ("ignore_eos", true), ("temperature", .number(options.temperature)), ("seed", .integer(Int64(index))),
            ("stream", true), ("stream_options", ["include_usage": true]),
        ]
        body = JSON.object(JSONObject(members)).bytes()
    }

    private static func word(_ random: inout RandomStream) -> String { words[random.nextIndex(below: words.count)] }

    /// Frequent words are one token in the vocabularies of most models, so the number of words approximates the number
    /// of tokens.
    private static let words = """
        the of and to in a is that it was for on are as with his they at be this from have or by one had not but what \
        all were when we there can an your which their said if do will each about how up out them then she many some so \
        these would other into has more her two like him see time could no make than first been its who now people
        """.split(separator: " ").map(String.init)
}
