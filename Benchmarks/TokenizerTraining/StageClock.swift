import MartletTokenizers
import Synchronization

/// When words were counted.
final class StageClock: Sendable {
    private let end = Mutex<ContinuousClock.Instant?>(nil)

    func note(_ stage: TokenizerTrainingProgress.Stage) -> Bool {
        if stage != .counting { end.withLock { if $0 == nil { $0 = .now } } }
        return true
    }

    func counting(since start: ContinuousClock.Instant) -> Double {
        end.withLock { $0.map { ($0 - start) / .seconds(1) } ?? 0 }
    }
}
