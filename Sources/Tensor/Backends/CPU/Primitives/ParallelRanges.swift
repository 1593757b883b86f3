/// Ranges shorter than this are not worth a second thread.
let elementGrain = 32 * 1024

/// Calls `body` with ranges that cover `0 ..< count`, each at least `grain` long, on the threads of the pool.
///
/// Callers compute every element, or every block of fixed size, independently of where the ranges are cut, so results
/// do not depend on the number of threads.
@inline(__always)
func parallelRanges(_ count: Int, grain: Int = elementGrain, _ body: (Range<Int>) -> Void) {
    if count > grain {
        ThreadPool.shared.runRanges(count, grain: grain, body)
    } else if count > 0 {
        body(0..<count)
    }
}
