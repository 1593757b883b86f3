import MartletTensor
import Synchronization

/// The ceiling that training is measured against: floating-point operations a second.
///
/// What a processor can do is not known from its name, so it is measured, in the processor time of each thread: what
/// other programs take of the machine does not count. They still share its caches and clock, so it is the best of several
/// tries, tried again when a step was faster, and raised to what that step reached: a share of it is at most 1.
public enum MachinePeak {
    private static let best = Mutex(measured())

    /// The operations a second that multiply-adds in registers reach on all threads, as far as measured until now.
    public static var operationsPerSecond: Double { best.withLock { $0 } }

    /// The peak after something ran at `rate` operations a second: measured again where it was below that, and at least
    /// `rate`.
    public static func reached(_ rate: Double) -> Double {
        best.withLock { peak in
            if rate.isFinite, rate > peak { peak = max(rate, measured()) }
            return peak
        }
    }

    private static func measured() -> Double {
        (0..<5).reduce(0.0) { best, _ in
            max(best, GEMM.multiplyAddPeak(threads: ThreadPool.shared.workerCount, seconds: 0.02))
        }
    }
}
