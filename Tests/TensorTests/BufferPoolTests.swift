import Foundation
import MartletTensor
import Testing

struct BufferPoolTests {
    /// What changes its size from step to step must not gather buffers of every size there was.
    @Test func noMoreIsKeptThanWasOnceInUse() {
        let pool = BufferPool()
        var size = 1 << 20, given = 0
        while size < 100 << 20 {
            pool.give(pool.take(size), size)
            given += size
            size += size / 3
            #expect(pool.cachedByteCount <= (1 << 26) + size)
        }
        #expect(given > 300 << 20)
        pool.empty()
        #expect(pool.cachedByteCount == 0)
    }

    /// A training step lets activations go while gradients come: the two must not add up.
    @Test func aNewSizeTakesThePlaceOfKeptBuffers() {
        let pool = BufferPool(), activation = 12 << 20, gradient = 20 << 20
        for _ in 0..<3 {
            var taken = (0..<10).map { _ in (activation, pool.take(activation)) }
            var most = 0
            for _ in 0..<10 {
                let (size, pointer) = taken.removeFirst()
                pool.give(pointer, size)
                taken.append((gradient, pool.take(gradient)))
                most = max(most, pool.liveByteCount + pool.cachedByteCount)
            }
            #expect(pool.liveByteCount == 10 * gradient && pool.peakLiveByteCount == 10 * gradient)
            #expect(most <= 10 * gradient + 1 << 26)
            for (size, pointer) in taken { pool.give(pointer, size) }
        }
        pool.empty()
    }

    @Test func aRepeatedStepFindsItsBuffersAgain() {
        let pool = BufferPool()
        let sizes = [100, 5000, 70_000, 1 << 22, 3 << 22, 1 << 26]
        func step() -> Set<UInt> {
            let taken = sizes.map { ($0, pool.take($0)) }
            defer { for (size, pointer) in taken { pool.give(pointer, size) } }
            return Set(taken.map { UInt(bitPattern: $0.1) })
        }
        let first = step()
        for _ in 0..<3 { #expect(step() == first) }
        pool.empty()
    }

    #if os(Linux)
    /// In a process of its own, whose addresses are limited to those it has.
    @Test func whatIsKeptGoesBackWhereTheSystemHasNoMore() async {
        await #expect(processExitsWith: .success) {
            let pool = BufferPool(), mebibyte = 1 << 20
            let buffers = (0..<2).map { _ in pool.take(64 * mebibyte) }
            for buffer in buffers { pool.give(buffer, 64 * mebibyte) }
            let statistics = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
            let pages = try #require(UInt(statistics.prefix { $0 != " " }))
            var limit = rlimit()
            try #require(getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
            limit.rlim_cur = rlim_t(pages) * rlim_t(sysconf(Int32(_SC_PAGESIZE)))
            try #require(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
            // One of the two makes room by itself, which is not enough.
            let other = pool.take(80 * mebibyte)
            other.storeBytes(of: 1, toByteOffset: 80 * mebibyte - 1, as: UInt8.self)
            #expect(pool.cachedByteCount == 0)
        }
    }
    #endif
}
