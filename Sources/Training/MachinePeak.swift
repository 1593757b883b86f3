import MartletTensor

/// The ceiling that training is measured against.
public enum MachinePeak {
    /// Floating-point operations a second that multiply-adds in registers reach on all threads, measured once: the best
    /// of some short tries, since whatever else the machine does only takes away.
    public static let operationsPerSecond = (0..<5).reduce(0.0) { best, _ in
        max(best, GEMM.multiplyAddPeak(threads: ThreadPool.shared.workerCount, seconds: 0.02))
    }
}
