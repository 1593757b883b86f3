// Matrix products against the multiply-add peak of the same moment, one JSON line per shape and thread count.
//
//     swift run -c release gemm-benchmark [repetitions] [filter]
//
// A repetition measures the peak, the product and the peak again, and divides by the higher of the two peaks, since
// the clock of a shared machine moves. Medians of all repetitions. MARTLET_KERNELS chooses the instruction set.

import CKernels
import MartletTensor

struct Shape {
    var name: String
    var m: Int, n: Int, k: Int
    var transposeA = false, transposeB = false, beta: Float = 0, batch = 1
}

var shapes = [Shape(name: "square", m: 1024, n: 1024, k: 1024)]
for m in [256, 512, 1024, 2048] {
    for (n, k) in [(768, 768), (2304, 768), (3072, 768), (768, 3072)] {
        shapes.append(Shape(name: "forward-768", m: m, n: n, k: k, transposeB: true))
    }
}
for (n, k) in [(512, 512), (1344, 512), (512, 1344), (10000, 512)] {
    shapes.append(Shape(name: "forward-512", m: 1024, n: n, k: k, transposeB: true))
    shapes.append(Shape(name: "input-gradient-512", m: 1024, n: k, k: n))
    shapes.append(Shape(name: "weight-gradient-512", m: n, n: k, k: 1024, transposeA: true, beta: 1))
}
shapes.append(Shape(name: "input-gradient-768", m: 1024, n: 768, k: 3072))
shapes.append(Shape(name: "weight-gradient-768", m: 3072, n: 768, k: 1024, transposeA: true, beta: 1))
shapes.append(Shape(name: "batched", m: 64, n: 64, k: 64, transposeB: true, batch: 96))
shapes.append(Shape(name: "batched", m: 256, n: 256, k: 64, transposeB: true, batch: 24))
for m in [1, 4, 8, 20, 64] {
    shapes.append(Shape(name: "thin", m: m, n: 3072, k: 768, transposeB: true))
    shapes.append(Shape(name: "thin", m: m, n: 3072, k: 768))
}

// A product of one's own: "m,n,k,NT" or "m,n,k,TN,1" (beta) as the filter.
let wish = CommandLine.arguments.dropFirst(2).first.map { $0.split(separator: ",").map(String.init) } ?? []
if wish.count >= 4, let m = Int(wish[0]), let n = Int(wish[1]), let k = Int(wish[2]) {
    shapes = [
        Shape(
            name: CommandLine.arguments[2], m: m, n: n, k: k, transposeA: wish[3].hasPrefix("T"),
            transposeB: wish[3].hasSuffix("T"), beta: wish.count > 4 ? 1 : 0)
    ]
}

func median(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.sorted()[values.count / 2]
}

func rounded(_ value: Double, _ digits: Double) -> Double { (value * digits).rounded() / digits }

let repetitions = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 7
let filter = CommandLine.arguments.dropFirst(2).first ?? ""
let set = String(cString: martlet_instruction_set_name(martlet_kernels_active().pointee.instruction_set))
let clock = ContinuousClock()

for shape in shapes where shape.name.hasPrefix(filter) {
    let (m, n, k, batch) = (shape.m, shape.n, shape.k, shape.batch)
    // Memory as tensors have it: whole lines, large pages where there is room for them.
    func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
        let pointer = BufferPool.shared.take(4 * count).bindMemory(to: Float.self, capacity: count)
        for i in 0..<count { pointer[i] = Float((i &* 7919) % 1000) / 1000 - 0.5 }
        return pointer
    }
    let a = floats(m * k * batch)
    let b = floats(k * n * batch)
    let c = floats(m * n * batch)
    defer {
        BufferPool.shared.give(a, 4 * m * k * batch)
        BufferPool.shared.give(b, 4 * k * n * batch)
        BufferPool.shared.give(c, 4 * m * n * batch)
    }
    for threads in Set([1, min(2, ThreadPool.shared.workerCount), ThreadPool.shared.workerCount]).sorted() {
        let pool = ThreadPool(workerCount: threads)
        func product() {
            GEMM.multiply(
                m: m, n: n, k: k, a: a, aStride: shape.transposeA ? m : k, transposeA: shape.transposeA, b: b,
                bStride: shape.transposeB ? k : n, transposeB: shape.transposeB, beta: shape.beta, c: c, cStride: n,
                batch: batch, aBatchStride: m * k, bBatchStride: k * n, cBatchStride: m * n, pool: pool)
        }
        let operations = 2 * Double(m) * Double(n) * Double(k) * Double(batch)
        // Products follow each other for about ten milliseconds, as in a model: a single one of half a millisecond would
        // measure how a thread wakes.
        let inner = max(1, Int(1e-2 / (operations / (2e11 * Double(threads)))))
        product()
        var rates: [Double] = []
        var peaks: [Double] = []
        var shares: [Double] = []
        for _ in 0..<repetitions {
            let before = GEMM.multiplyAddPeak(threads: threads, seconds: 0.003, pool: pool)
            let start = clock.now
            for _ in 0..<inner { product() }
            let rate = operations * Double(inner) / ((clock.now - start) / .seconds(1))
            let after = GEMM.multiplyAddPeak(threads: threads, seconds: 0.003, pool: pool)
            rates.append(rate)
            peaks.append(max(before, after))
            shares.append(rate / max(before, after))
        }
        let transposes = (shape.transposeA ? "T" : "N") + (shape.transposeB ? "T" : "N")
        print(
            """
            {"shape":"\(shape.name)","m":\(m),"n":\(n),"k":\(k),"batch":\(batch),"transposes":"\(transposes)",\
            "kernels":"\(set)","threads":\(threads),"gflops":\(rounded(median(rates) * 1e-9, 10)),\
            "peak_gflops":\(rounded(median(peaks) * 1e-9, 10)),"share":\(rounded(median(shares), 1000))}
            """)
    }
}
