import Foundation
import MartletFormats

/// What the environment says about the hub. Variable names are those of Hugging Face's own tools.
public struct HubSettings: Sendable {
    /// `HF_ENDPOINT`.
    public var endpoint: String
    /// `HF_TOKEN`, else the file `HF_TOKEN_PATH`, else `$HF_HOME/token`; none with `HF_HUB_DISABLE_IMPLICIT_TOKEN`.
    public var token: String?
    /// `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`.
    public var isOffline: Bool
    /// `HF_HUB_DOWNLOAD_TIMEOUT`: a connection is dropped after this many seconds without a byte.
    public var idleSeconds: Int
    public var cache: HubCache
    /// Attempts after a dropped connection, and the pause before the first of them, which doubles each time.
    public var retries = 5
    public var firstPause = Duration.milliseconds(500)
    /// A hub that asks to be left alone for so long is waited for; for longer, its answer is the error.
    public var longestPause = Duration.seconds(300)
    /// An attempt that received this many bytes is not counted: a long download may be interrupted often.
    public var goodDeal = 1 << 20
    /// The number of attempts while the hub has not responded at all: without a network, the error comes within
    /// seconds.
    public var firstRetries = 2
    /// Memory available for a model, by which a quantisation is chosen if none is named; nil if unknown.
    public var memory: Int?
    /// Called with a sentence for the user about such a choice.
    public var onChoice: (@Sendable (String) -> Void)?
    /// Called before each retry with a sentence for the user.
    public var onRetry: (@Sendable (String) -> Void)?

    public init(environment: (String) -> String? = HubCache.environment) {
        func value(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }
        func flag(_ name: String) -> Bool { ["1", "true", "yes", "on"].contains(value(name)?.lowercased() ?? "") }
        endpoint = value("HF_ENDPOINT") ?? "https://huggingface.co"
        while endpoint.hasSuffix("/") { endpoint.removeLast() }
        isOffline = flag("HF_HUB_OFFLINE") || flag("TRANSFORMERS_OFFLINE")
        idleSeconds = value("HF_HUB_DOWNLOAD_TIMEOUT").flatMap(Int.init).map { max($0, 1) } ?? 10
        cache = HubCache(environment: environment)
        let home = value("HF_HOME") ?? (value("XDG_CACHE_HOME") ?? NSHomeDirectory() + "/.cache") + "/huggingface"
        if let token = value("HF_TOKEN") {
            self.token = token
        } else if !flag("HF_HUB_DISABLE_IMPLICIT_TOKEN"),
            let bytes = try? Folder.read(value("HF_TOKEN_PATH") ?? home + "/token")
        {
            let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            token = text.isEmpty ? nil : text
        }
    }
}
