import MartletAPI
import Synchronization

/// Stores the latest responses, so that clients can continue them; each key can access only its own. The oldest are
/// evicted when there are too many or they take too much memory.
package final class KeptResponses: Sendable {
    private struct Key: Hashable {
        var owner: String?
        var id: String
    }
    private struct Entry {
        var response: KeptResponse
        var bytes: Int
        var lastUse: Int
    }
    private struct State {
        var entries: [Key: Entry] = [:]
        var bytes = 0
        var clock = 0
    }
    private let state = Mutex(State())
    private let most: Int
    private let mostBytes: Int

    /// - Parameters:
    ///   - most: the maximum number of responses.
    ///   - mostBytes: the maximum total size; a response of more than a quarter of it is not stored.
    package init(most: Int = 1024, mostBytes: Int = 64 << 20) {
        self.most = most
        self.mostBytes = mostBytes
    }

    package func keep(_ response: KeptResponse, of owner: String?) {
        let bytes = response.byteCount
        guard bytes <= mostBytes / 4 else { return }
        state.withLock { state in
            state.clock += 1
            let key = Key(owner: owner, id: response.id)
            let old = state.entries.updateValue(
                Entry(response: response, bytes: bytes, lastUse: state.clock), forKey: key)
            state.bytes += bytes - (old?.bytes ?? 0)
            while state.entries.count > most || state.bytes > mostBytes,
                let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                state.bytes -= oldest.value.bytes
                state.entries[oldest.key] = nil
            }
        }
    }

    package func find(_ id: String, of owner: String?) -> KeptResponse? {
        state.withLock { state in
            state.clock += 1
            let key = Key(owner: owner, id: id)
            state.entries[key]?.lastUse = state.clock
            return state.entries[key]?.response
        }
    }

    package func forget(_ id: String, of owner: String?) {
        state.withLock { state in
            let old = state.entries.removeValue(forKey: Key(owner: owner, id: id))
            state.bytes -= old?.bytes ?? 0
        }
    }
}
