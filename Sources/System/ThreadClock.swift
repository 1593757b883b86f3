#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The time that the calling thread has computed. Unlike time by the clock it does not go on while other programs have
/// the processor.
public enum ThreadClock {
    /// Seconds of processor time of the calling thread; 0 if the system does not tell.
    public static var seconds: Double {
        var time = timespec()
        guard clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 else { return 0 }
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
