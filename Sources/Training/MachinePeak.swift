import MartletTensor

/// The ceiling that training is measured against.
public enum MachinePeak {
    /// Floating-point operations a second that multiply-adds in registers reach on all threads, measured once.
    public static let operationsPerSecond = GEMM.multiplyAddPeak(
        threads: ThreadPool.shared.workerCount, seconds: 0.05)
}
