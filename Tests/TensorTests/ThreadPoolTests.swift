import MartletTensor
import Synchronization
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

@Suite(.serialized) struct ThreadPoolTests {
    @Test(arguments: [1, 2, 3, 8])
    func everyIndexRunsExactlyOnce(workers: Int) {
        let pool = ThreadPool(workerCount: workers)
        for count in [0, 1, 2, 3, 7, 100, 1000] {
            let hits = UnsafeMutableBufferPointer<Int32>.allocate(capacity: count + 1)
            defer { hits.deallocate() }
            hits.initialize(repeating: 0)
            nonisolated(unsafe) let shared = hits
            pool.run(count) { shared[$0] += 1 }
            #expect(hits.dropLast().allSatisfy { $0 == 1 })
            #expect(hits[count] == 0)
        }
    }

    /// Many short regions, each of which must see what the one before wrote.
    @Test(arguments: [2, 4])
    func regionsFollowEachOther(workers: Int) {
        let pool = ThreadPool(workerCount: workers)
        let cells = UnsafeMutableBufferPointer<Int>.allocate(capacity: 4)
        defer { cells.deallocate() }
        cells.initialize(repeating: 0)
        nonisolated(unsafe) let shared = cells
        let regions = workers == 2 ? 100_000 : 5_000
        var broken = 0
        for round in 1...regions {
            pool.run(4) { shared[$0] += 1 }
            if cells.contains(where: { $0 != round }) { broken += 1 }
        }
        #expect(broken == 0)
    }

    @Test func severalCallersTakeTurns() async {
        let pool = ThreadPool(workerCount: 2)
        let callers = 4, regions = 25_000
        let right = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<callers {
                group.addTask {
                    var right = 0
                    for _ in 0..<regions {
                        let sum = Atomic<Int>(0)
                        pool.run(3) { sum.add($0 + 1, ordering: .relaxed) }
                        if sum.load(ordering: .relaxed) == 6 { right += 1 }
                    }
                    return right
                }
            }
            return await group.reduce(0, +)
        }
        #expect(right == callers * regions)
    }

    @Test func nestedRegionsRunSerially() {
        let pool = ThreadPool(workerCount: 2)
        let sum = Atomic<Int>(0)
        pool.run(8) { outer in
            let thread = UInt(pthread_self())
            pool.run(8) { inner in
                if UInt(pthread_self()) == thread { sum.add(outer * 8 + inner, ordering: .relaxed) }
            }
        }
        #expect(sum.load(ordering: .relaxed) == 63 * 64 / 2)
    }

    @Test func rangesCoverEverythingOnce() {
        let pool = ThreadPool(workerCount: 3)
        for count in [0, 1, 5, 64, 1000] {
            for grain in [1, 7, 64, 5000] {
                let seen = Mutex<[Range<Int>]>([])
                pool.runRanges(count, grain: grain) { range in seen.withLock { $0.append(range) } }
                let sorted = seen.withLock { $0 }.sorted { $0.lowerBound < $1.lowerBound }
                #expect(sorted.flatMap { Array($0) } == Array(0..<count))
                #expect(sorted.dropLast().allSatisfy { $0.count >= min(grain, count) })
            }
        }
    }

    @Test(arguments: [2, 6])
    func idlePoolUsesNoProcessor(workers: Int) {
        let pool = ThreadPool(workerCount: workers)
        for _ in 0..<100 { pool.run(workers) { _ in } }
        // How long they look for more before they rest depends on what else the machine does; once they rest they rest.
        var used: [Double] = []
        for _ in 0..<100 where (used.last ?? 1) >= 0.001 {
            guard let before = pool.workerSeconds else { return }
            usleep(200_000)
            guard let after = pool.workerSeconds else { return }
            used.append(after - before)
        }
        #expect(used.last ?? 1 < 0.001, "\(used)")
    }

    @Test func whoIsAloneTakesNoWorker() {
        let pool = ThreadPool(workerCount: 4)
        let caller = pthread_self()
        let others = Mutex(0)
        func count() {
            pool.run(1000) { _ in if pthread_equal(pthread_self(), caller) == 0 { others.withLock { $0 += 1 } } }
        }
        ThreadPool.alone {
            ThreadPool.alone { count() }
            count()
        }
        #expect(others.withLock { $0 } == 0)
    }

    @Test func sharedPoolHasAWorker() {
        #expect(ThreadPool.shared.workerCount >= 1)
    }
}
