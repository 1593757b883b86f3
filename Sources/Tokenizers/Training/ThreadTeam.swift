import Dispatch
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs several closures in parallel and returns their results in order.
enum ThreadTeam {
    /// The requested number of threads, 1 to 1024; 0 means all processors. Each has tables of its own.
    static func size(_ wanted: Int) -> Int {
        wanted > 0 ? min(wanted, 1024) : max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    }

    /// Calls `body` with 0 to `count` - 1. After all have ended, the error with the lowest index is thrown.
    static func run<Value: Sendable>(
        _ count: Int, _ body: @Sendable (Int) throws(TokenizerTrainingError) -> Value
    ) throws(TokenizerTrainingError) -> [Value] {
        if count == 1 { return [try body(0)] }
        let results = Mutex([Result<Value, TokenizerTrainingError>?](repeating: nil, count: count))
        DispatchQueue.concurrentPerform(iterations: count) { index in
            let result: Result<Value, TokenizerTrainingError>
            do throws(TokenizerTrainingError) {
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

    /// Calls `body` with 0 to `parts` - 1, distributed over threads. Results are in order.
    static func map<Value: Sendable>(
        parts: Int, threads: Int, _ body: @Sendable (Int) -> Value
    ) -> [Value] {
        let results = Mutex([Value?](repeating: nil, count: parts))
        let next = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: min(threads, parts)) { _ in
            while case let part = next.wrappingAdd(1, ordering: .relaxed).oldValue, part < parts {
                let value = body(part)
                results.withLock { $0[part] = value }
            }
        }
        return results.withLock { $0 }.compactMap { $0 }
    }
}
