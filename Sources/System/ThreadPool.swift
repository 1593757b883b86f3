import CKernels

/// Fork-join parallelism for kernels. The caller is one of the workers. The others spin for some tens of microseconds
/// after a parallel region and then sleep, so that an idle process uses no processor time.
///
/// A region costs about a microsecond and allocates no buffers. A region inside of a region runs serially on its
/// thread; regions started by several threads run one after another. Memory that a body writes is visible to the caller
/// when `run` returns.
///
/// The protocol is described in `Sources/CKernels/pool.c`.
///
/// ```swift
/// ThreadPool.shared.run(16) { task in print("task", task) }
/// ThreadPool.shared.runRanges(1_000_000, grain: 4096) { range in print(range.count) }
/// ```
public final class ThreadPool: Sendable {
    /// The pool of the process with `MARTLET_THREADS` workers; by default as many as the processors that the process
    /// may use (affinity mask and control group quota).
    public static let shared = ThreadPool(workerCount: Int(martlet_default_workers()))

    /// The threads that work on a region, including the caller.
    public let workerCount: Int

    /// A closure behind a pointer; passed directly, it would be wrapped for generic use in every region.
    private struct Body {
        let call: (Int) -> Void
    }

    /// The address of the C pool as an integer, because pointers are not `Sendable`. Nil if its allocation failed.
    private let address: UInt?

    public init(workerCount: Int) {
        let pool = martlet_pool_create(Int32(clamping: workerCount))
        address = pool.map { UInt(bitPattern: $0) }
        self.workerCount = pool.map { Int(martlet_pool_workers($0)) } ?? 1
    }

    deinit {
        if let pool { martlet_pool_destroy(pool) }
    }

    private var pool: OpaquePointer? { address.flatMap(OpaquePointer.init(bitPattern:)) }

    /// Processor time of the pool's own threads in seconds, without their callers; nil if unknown.
    package var workerSeconds: Double? {
        guard let pool else { return 0 }
        let nanoseconds = martlet_pool_nanoseconds(pool)
        return nanoseconds < 0 ? nil : Double(nanoseconds) * 1e-9
    }

    /// Calls `body(i)` once for every `i` in `0..<count`, in any order, and returns when all calls are complete.
    ///
    /// Indices are assigned one at a time, which takes about 50 ns each, so a body should take longer than that.
    public func run(_ count: Int, _ body: (Int) -> Void) {
        guard count > 1, let pool else {
            for index in 0..<max(count, 0) { body(index) }
            return
        }
        withoutActuallyEscaping(body) { body in
            var body = Body(call: body)
            withUnsafeMutablePointer(to: &body) { context in
                martlet_pool_run(
                    pool, count,
                    { context, index in
                        guard let context else { return }
                        context.assumingMemoryBound(to: Body.self).pointee.call(index)
                    }, context)
            }
        }
    }

    /// The same for a function over a context, which unlike a closure is not retained by every thread for every index.
    package func run(
        _ count: Int, context: UnsafeMutableRawPointer,
        _ body: @convention(c) (UnsafeMutableRawPointer?, Int) -> Void
    ) {
        guard count > 1, let pool else {
            for index in 0..<max(count, 0) { body(context, index) }
            return
        }
        martlet_pool_run(pool, count, body, context)
    }

    /// Runs `body` with all of its regions on this thread only, which leaves the workers to other work.
    public static func alone<Result>(_ body: () throws -> Result) rethrows -> Result {
        let before = martlet_pool_alone(true)
        defer { _ = martlet_pool_alone(before) }
        return try body()
    }

    /// Splits `0..<count` into ranges of at least `grain` elements (the last may be shorter) and runs the body on each.
    /// There are at most four ranges for each worker, so that a delayed worker does not delay the region much.
    public func runRanges(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
        guard count > 0 else { return }
        let grain = max(grain, 1)
        let pieces = min((count + grain - 1) / grain, 4 * workerCount)
        guard pieces > 1, workerCount > 1 else { return body(0..<count) }
        let size = max((count + pieces - 1) / pieces, grain)
        run((count + size - 1) / size) { piece in
            body(piece * size..<min((piece + 1) * size, count))
        }
    }
}
