import MartletFormats

/// Reads a file of API keys, one per line:
///
/// ```
/// # name  key, or sha256: and its 64 hexadecimal digits   scopes and quotas
/// alice   sk-3f1c…          scopes=inference,metrics rpm=60 tokens-per-day=100000 concurrent=4
/// ci      sha256:9f86d081…  rpm=600
/// sk-a-key-without-a-name
/// ```
/// Without `scopes`, a key has the scope `inference`.
public enum KeyFile {
    public static func read(_ path: String) throws -> [APIKey] {
        let bytes = try Folder.read(path)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ServerError("\(path) is not UTF-8 text")
        }
        return try parse(text, file: path)
    }

    package static func parse(_ text: String, file: String) throws -> [APIKey] {
        var keys: [APIKey] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }.map(String.init)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            let place = "\(file), line \(index + 1)"
            let key = try parse(words, place: place, number: keys.count + 1)
            if let other = keys.first(where: { $0.name == key.name || $0.digest == key.digest }) {
                throw ServerError("\(place): this name or key is already used by \"\(other.name)\"")
            }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw ServerError("\(file) has no keys; expected one a line") }
        return keys
    }

    private static func parse(_ words: [String], place: String, number: Int) throws -> APIKey {
        let isNamed = words.count > 1 && !words[1].contains("=")
        let secret = isNamed ? words[1] : words[0]
        var key = APIKey(
            name: isNamed ? words[0] : "key\(number)", digest: try digest(secret, place: place), scopes: [.inference])
        for word in words.dropFirst(isNamed ? 2 : 1) {
            let sides = word.split(separator: "=", maxSplits: 1).map(String.init)
            guard sides.count == 2 else {
                throw ServerError("\(place): \"\(word)\"; expected scopes=, rpm=, tokens-per-day= or concurrent=")
            }
            switch sides[0] {
            case "scopes":
                key.scopes = try Set(sides[1].split(separator: ",").map { try scope($0, place: place) })
            case "rpm": key.quota.requestsPerMinute = try count(sides, place: place)
            case "tokens-per-day": key.quota.tokensPerDay = try count(sides, place: place)
            case "concurrent": key.quota.concurrentRequests = try count(sides, place: place)
            default:
                throw ServerError(
                    "\(place): \"\(sides[0])\"; expected scopes, rpm, tokens-per-day or concurrent")
            }
        }
        return key
    }

    private static func digest(_ secret: String, place: String) throws -> [UInt8] {
        guard secret.hasPrefix("sha256:") else {
            guard secret.utf8.count >= 8 else { throw ServerError("\(place): a key needs at least 8 characters") }
            return APIKey.digest(secret)
        }
        let digits = Array(secret.dropFirst(7).utf8)
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count - 1, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index...(index + 1)], as: UTF8.self), radix: 16) else {
                break
            }
            bytes.append(byte)
        }
        guard digits.count == 64, bytes.count == 32 else {
            throw ServerError("\(place): sha256: is followed by 64 hexadecimal digits")
        }
        return bytes
    }

    private static func scope(_ word: Substring, place: String) throws -> Scope {
        guard let scope = Scope(rawValue: String(word)), scope != .open else {
            throw ServerError("\(place): scope \"\(word)\"; expected inference, metrics or admin")
        }
        return scope
    }

    private static func count(_ sides: [String], place: String) throws -> Int {
        guard let value = Int(sides[1]), value > 0 else {
            throw ServerError("\(place): \(sides[0]) is \"\(sides[1])\"; expected a number above 0")
        }
        return value
    }
}
