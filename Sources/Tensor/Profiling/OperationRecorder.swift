import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Measures the operations of a thread: one span per operation, nested as operations call each other, with time,
/// arithmetic and memory. Outside `record` nothing is recorded, and each operation costs one test.
package final class OperationRecorder {
    package enum Phase: String, Sendable, CaseIterable {
        case data, forward, backward, update
        /// A section of a step that contains operations but is not one itself.
        case part
    }

    package struct Span: Sendable {
        package let name: String
        package let phase: Phase
        /// The number of enclosing spans.
        package let depth: Int
        /// Nanoseconds of the monotonic clock.
        package let start: UInt64
        package internal(set) var duration: UInt64 = 0
        /// The part of `duration` that is spent in nested spans.
        package internal(set) var inner: UInt64 = 0
        /// Floating-point operations of products and attention, excluding nested spans.
        package internal(set) var operations = 0.0
        /// Bytes of operands read and results written, each counted once, excluding nested spans.
        package internal(set) var bytes = 0.0
        /// Bytes of all live tensors when the span ends.
        package internal(set) var liveBytes = 0
    }

    /// In order of their start.
    package private(set) var spans: [Span] = []
    package private(set) var peakBytes = 0
    /// When the memory peak occurred, and what it consisted of.
    package private(set) var peakTime: UInt64 = 0
    package private(set) var peakKinds: [(kind: String, bytes: Int)] = []
    /// Returns the current memory by kind; called at every new peak.
    package var kinds: () -> [(kind: String, bytes: Int)] = { [] }
    private var open: [Int] = []

    package init() {}

    /// Records the operations of `body` on this thread.
    package func record<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        let before = ThreadState.recorder
        ThreadState.recorder = Unmanaged.passUnretained(self).toOpaque()
        defer { ThreadState.recorder = before }
        return try body()
    }

    /// The recorder of this thread; nil when nothing is recorded.
    @inline(__always)
    package static var current: OperationRecorder? {
        guard let recorder = ThreadState.recorder else { return nil }
        return Unmanaged<OperationRecorder>.fromOpaque(recorder).takeUnretainedValue()
    }

    func begin(_ name: String, _ phase: Phase?) {
        sampleMemory()
        // Operations inside a gradient belong to the gradient.
        let enclosing = open.last.map { spans[$0].phase } ?? .part
        let phase = phase ?? (enclosing == .part ? .forward : enclosing)
        open.append(spans.count)
        spans.append(Span(name: name, phase: phase, depth: open.count - 1, start: Self.now))
    }

    func end() {
        guard let index = open.popLast() else { return }
        let duration = Self.now - spans[index].start
        spans[index].duration = duration
        spans[index].liveBytes = sampleMemory()
        if let outer = open.last { spans[outer].inner += duration }
    }

    func add(operations: Double, bytes: Double) {
        guard let index = open.last else { return }
        spans[index].operations += operations
        spans[index].bytes += bytes
    }

    @discardableResult
    private func sampleMemory() -> Int {
        let live = BufferPool.shared.liveByteCount
        if live > peakBytes {
            peakBytes = live
            peakTime = Self.now
            peakKinds = kinds()
        }
        return live
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// The span of one operation:
///
/// ```swift
/// let span = OperationSpan("linear")
/// defer { span.end() }
/// ```
package struct OperationSpan {
    private let recorder: OperationRecorder?

    @inline(__always)
    package init(_ name: @autoclosure () -> String, _ phase: OperationRecorder.Phase? = nil) {
        recorder = OperationRecorder.current
        if let recorder { recorder.begin(name(), phase) }
    }

    @inline(__always)
    package func end() {
        if let recorder { recorder.end() }
    }

    package static func of<Result, Failure: Error>(
        _ name: @autoclosure () -> String, _ phase: OperationRecorder.Phase? = nil, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let span = OperationSpan(name(), phase)
        defer { span.end() }
        return try body()
    }

    /// Adds to the counts of the innermost open span of this thread.
    @inline(__always)
    package static func count(operations: @autoclosure () -> Double = 0, bytes: @autoclosure () -> Double = 0) {
        if let recorder = OperationRecorder.current { recorder.add(operations: operations(), bytes: bytes()) }
    }
}

extension Tensor {
    /// Bytes of its elements, each counted once.
    package var elementBytes: Double {
        Double(elementCount) * Double(dtype.blockByteCount) / Double(dtype.blockLength)
    }
}
