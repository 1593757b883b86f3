import Dispatch
import Glibc
import Synchronization

/// A handful of bodies run side by side, and their results in order.
enum ThreadTeam {
    /// As many as asked for, at least one; all processors for 0.
    static func size(_ wanted: Int) -> Int {
        wanted > 0 ? wanted : max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    }

    /// Calls `body` with 0 to `count` - 1. The first error in order of these numbers is thrown when all have ended.
    static func run<Value: Sendable>(
        _ count: Int, _ body: @Sendable (Int) throws(TrainingError) -> Value
    ) throws(TrainingError) -> [Value] {
        if count == 1 { return [try body(0)] }
        let results = Mutex([Result<Value, TrainingError>?](repeating: nil, count: count))
        DispatchQueue.concurrentPerform(iterations: count) { index in
            let result: Result<Value, TrainingError>
            do throws(TrainingError) {
                result = .success(try body(index))
            } catch {
                result = .failure(error)
            }
            results.withLock { $0[index] = result }
        }
        var values: [Value] = []
        for result in results.withLock({ $0 }) {
            if let result { values.append(try result.get()) }
        }
        return values
    }
}
