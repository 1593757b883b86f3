/// Why something could not be fetched from a hub.
public enum HubError: Error, Sendable, Equatable, CustomStringConvertible {
    case badReference(String)
    case offline(String)
    case notFound(repository: String, file: String?)
    case unauthorized(repository: String, hasToken: Bool)
    /// - Parameter wait: the seconds after which it may be asked again, where the answer says it.
    case status(url: String, code: Int, wait: Int? = nil)
    /// No response, or an incomplete one; a retry may help.
    case unreachable(url: String, reason: String)
    /// No transfer is possible until something is fixed: libcurl is missing, or a certificate is not trusted.
    case transfer(url: String, reason: String)
    case badAnswer(url: String, reason: String)
    case badFileName(repository: String, name: String)
    case noSuchChoice(repository: String, choice: String, available: [String])
    case ambiguous(repository: String, choice: String, available: [String])
    case nothingToFetch(repository: String, files: [String])
    case wrongSize(file: String, expected: Int, found: Int)
    case wrongHash(file: String, expected: String, found: String)
    case disk(path: String, reason: String)

    public var description: String {
        switch self {
        case .badReference(let text):
            "\"\(text)\" is no hub reference; expected org/name, org/name:file or org/name:QUANTISATION"
        case .offline(let name): "\(name) is not in the cache, and HF_HUB_OFFLINE forbids fetching it"
        case .notFound(let repository, let file):
            file.map { "\(repository) has no file \"\($0)\"" }
                ?? "there is no repository \(repository), or it is private: check the name, or set HF_TOKEN"
        case .unauthorized(let repository, let hasToken):
            hasToken
                ? "the hub refuses access to \(repository): the token may lack the right, or terms must be accepted first"
                : "the hub refuses access to \(repository): check the name, and set HF_TOKEN if you have access"
        case .status(let url, let code, let wait):
            "\(url) answered with status \(code)" + (wait.map { ", and to ask again in \($0) s" } ?? "")
        case .unreachable(let url, let reason): "cannot reach \(url): \(reason)"
        case .transfer(let url, let reason), .badAnswer(let url, let reason): "\(url): \(reason)"
        case .badFileName(let repository, let name):
            "\(repository) lists a file with a forbidden name: \(name.debugDescription)"
        case .noSuchChoice(let repository, let choice, let available):
            "\(repository) has nothing that matches \"\(choice)\"; it has \(available.prefix(30).joined(separator: ", "))"
        case .ambiguous(let repository, let choice, let available):
            "\"\(choice)\" could be several files of \(repository): \(available.prefix(30).joined(separator: ", "))"
        case .nothingToFetch(let repository, let files):
            "\(repository) has neither safetensors nor GGUF files; it has \(files.prefix(12).joined(separator: ", "))"
        case .wrongSize(let file, let expected, let found): "\(file): received \(found) bytes, expected \(expected)"
        case .wrongHash(let file, let expected, let found): "\(file): the hash is \(found), expected \(expected)"
        case .disk(let path, let reason): "\(path): \(reason)"
        }
    }

    /// Whether the same request may succeed a little later.
    var isTransient: Bool {
        switch self {
        case .unreachable, .wrongSize: true
        case .status(_, let code, _): code == 429 || code >= 500
        default: false
        }
    }
}
