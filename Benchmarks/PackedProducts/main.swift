// Products of one activation row with packed weights, which is what generating a token is made of: each form of weights in
// turn with the blocks of about as many bits, one JSON line per form.
//
//     swift run -c release packed-products [repetitions] [rows] [columns] [activation rows]
//
// A repetition measures the plain blocks (Q4_1 for four bits, Q8_0 for eight) and the form after them, on one thread and on
// matrices that no cache holds by default, in the time of that thread. `ratio` is the median of plain time ÷ time;
// MARTLET_KERNELS chooses the instruction set. The last forms are products of whole matrices: what happens to the input
// before, and to the result after the kernel, is in their time.

import CKernels
import MartletNN
import MartletSystem
import MartletTensor

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
let repetitions = arguments.first ?? 9
let rows = arguments.count > 1 ? arguments[1] / 16 * 16 : 8192
let columns = arguments.count > 2 ? arguments[2] / 256 * 256 : 8192
let count = arguments.count > 3 ? max(arguments[3], 1) : 1
let kernels = martlet_kernels_active().pointee

/// Seconds that this thread has computed, whatever else the machine does.
func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Weights in one form, and a product with them.
@MainActor final class Candidate {
    let name: String
    let bytes: Int
    private let product: @MainActor () -> Void

    init(_ name: String, bytes: Int, product: @escaping @MainActor () -> Void) {
        (self.name, self.bytes, self.product) = (name, bytes, product)
    }

    convenience init(
        _ name: String, panelBytes: Int, fill: @MainActor (UnsafeMutableRawPointer) -> Void,
        product: @escaping @MainActor (UnsafeMutableRawPointer) -> Void
    ) {
        let bytes = panelBytes * (rows / 16), panels = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        for panel in 0..<rows / 16 { fill(panels + panel * panelBytes) }
        self.init(name, bytes: bytes) { product(panels) }
    }

    func seconds() -> Double {
        let start = threadSeconds()
        product()
        return threadSeconds() - start
    }
}

var state: UInt64 = 7
@MainActor func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
}
let x = (0..<count * columns).map { _ in Float(next() % 2048) / 1024 - 1 }
let scratch = UnsafeMutableRawPointer.allocate(byteCount: martlet_multiply_scratch(columns), alignment: 64)
var y = [Float](repeating: 0, count: count * rows)
var digits = [Int8](repeating: 0, count: count * columns * 2)
var scales = [Float](repeating: 0, count: count * columns / 32)
var sums = [Int32](repeating: 0, count: count * columns / 16)

/// A form whose products take activations of 16 bits.
@MainActor func rounded(
    _ name: String, panelBytes: Int, fill: @MainActor (UnsafeMutableRawPointer) -> Void,
    multiply: @escaping @MainActor (UnsafeMutableRawPointer, inout martlet_activations) -> Void
) -> Candidate {
    Candidate(name, panelBytes: panelBytes, fill: fill) { panels in
        kernels.quantized.quantize(x, count, columns, &digits, &scales, &sums)
        x.withUnsafeBufferPointer { x in
            digits.withUnsafeBufferPointer { digits in
                scales.withUnsafeBufferPointer { scales in
                    sums.withUnsafeBufferPointer { sums in
                        var activations = martlet_activations(
                            values: x.baseAddress, codes: digits.baseAddress, scales: scales.baseAddress,
                            sums: sums.baseAddress, rows: count, columns: columns, has_high_digits_only: false)
                        multiply(panels, &activations)
                    }
                }
            }
        }
    }
}

@MainActor func integers(_ name: String, _ packing: martlet_packing) -> Candidate {
    var packing = packing
    return rounded(name, panelBytes: martlet_panel_bytes(&packing, columns)) { panel in
        // Any codes do; scales of one.
        let blocks = columns / 32, size = packing.block_bytes
        for block in 0..<blocks {
            let place = panel + block * size
            for byte in 0..<size {
                place.storeBytes(of: UInt8(truncatingIfNeeded: next()), toByteOffset: byte, as: UInt8.self)
            }
            for half in 0..<16 * Int(packing.parts) * (packing.has_minimum ? 2 : 1) {
                place.storeBytes(of: 0x3C00, toByteOffset: 2 * half, as: UInt16.self)
            }
        }
    } multiply: { panels, activations in
        kernels.quantized.multiply(&packing, panels, 0, rows / 16, &activations, &y, rows, rows, scratch)
    }
}

@MainActor func levels(_ name: String, run: Int) -> Candidate {
    var form = martlet_levels()
    form.columns = columns
    form.run = run
    withUnsafeMutableBytes(of: &form.numbers) { target in
        for i in 0..<16 { target.storeBytes(of: Int16(i * 2000 - 16000), toByteOffset: 2 * i, as: Int16.self) }
    }
    return rounded(name, panelBytes: martlet_levels_panel_bytes(&form)) { panel in
        let codes = (0..<16 * columns).map { _ in UInt8(truncatingIfNeeded: next()) & 15 }
        martlet_pack_levels_panel(&form, codes, [Float](repeating: 1, count: 16 * (columns / run)), 16, panel)
    } multiply: { panels, activations in
        kernels.levels.multiply(&form, panels, 0, rows / 16, &activations, &y, rows, rows, scratch)
    }
}

func type(_ type: martlet_type) -> martlet_packing {
    var packing = martlet_packing()
    _ = martlet_packing_of(type, false, &packing)
    return packing
}

@MainActor func coded(_ name: String, _ kind: martlet_code_kind, run: Int) -> Candidate {
    var coded = martlet_coded()
    coded.kind = kind
    coded.columns = columns
    coded.run = run
    let runs = columns / run
    return Candidate(name, panelBytes: martlet_coded_panel_bytes(&coded)) { panel in
        let codes = (0..<16 * columns).map { _ in UInt8(truncatingIfNeeded: next()) & 0x6F }
        let ones = [Float](repeating: 1, count: 16 * runs)
        martlet_pack_coded_panel(&coded, codes, ones, 16, panel)
    } product: { panels in
        kernels.coded.multiply(&coded, panels, 0, rows / 16, x, count, &y, rows, rows, scratch)
    }
}

/// A matrix as files store it, packed; its product on this thread alone.
@MainActor func whole(_ name: String, _ matrix: any WeightMatrix) throws -> Candidate {
    let packed = try matrix.packed(exact: false), input = try Tensor(x, shape: [count, columns])
    return Candidate(name, bytes: packed.byteCount) {
        ThreadPool.alone { _ = try? PackedMatrix.multiply(input, by: [packed]) }
    }
}

/// Codes of four bits in words along the inputs, as GPTQ has them.
@MainActor func wordsOfCodes() throws -> PackedCodes {
    let words = (0..<rows * columns / 8).map { _ in Int32(truncatingIfNeeded: next() << 1) }
    return try PackedCodes(
        Tensor(words, shape: [columns / 8, rows]), layout: .inputsInWords, bits: 4, outputs: rows, inputs: columns)
}

@MainActor func actOrder() throws -> Candidate {
    // Groups of 64 inputs that lie far from each other.
    let groups = (0..<columns).map { Int32($0 * 37 % columns / 64) }
    let count = rows * (columns / 64)
    return try whole(
        "GPTQ with act-order",
        GroupAffineMatrix(
            wordsOfCodes(), storedType: "GPTQ", scales: [Float](repeating: 1, count: count),
            zeros: (0..<count).map { Int16($0 % 15 + 1) }, groupOfInput: groups, parameters: []))
}

@MainActor func offsets(_ name: String, scale: Float) throws -> Candidate {
    let count = rows * (columns / 64)
    return try whole(
        name,
        GroupOffsetMatrix(
            wordsOfCodes(), storedType: "MLX", scales: [Float](repeating: scale, count: count),
            offsets: (0..<count).map { Float($0 % 15) / 7 }, groupSize: 64, parameters: []))
}

@MainActor func groupsOfOutputs() throws -> Candidate {
    let width = rows * columns / 64
    let bytes = (0..<rows * columns / 2).map { _ in UInt8(truncatingIfNeeded: next()) }
    let codes = try PackedCodes(
        Tensor(bytes, shape: [32, width]), layout: .rowsInBytes(width: width), bits: 4, outputs: rows, inputs: columns)
    return try whole(
        "4 bits in groups of 64 outputs: hqq, axis 0",
        OutputGroupMatrix(
            codes, storedType: "HQQ-4", scales: [Float](repeating: 1, count: width),
            offsets: (0..<width).map { Float($0 % 15) / 7 }, parameters: []))
}

func median(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.sorted()[values.count / 2] }
func shortened(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }

let set = String(cString: martlet_instruction_set_name(kernels.instruction_set))
let four = integers("Q4_1", type(MARTLET_Q4_1)), eight = integers("Q8_0", type(MARTLET_Q8_0))
let forms: [(plain: Candidate, make: @MainActor () throws -> Candidate)] = [
    (four, { integers("Q4_0: GPTQ, symmetric", type(MARTLET_Q4_0)) }),
    (four, { integers("4 bits beside zeros: GPTQ, AWQ", martlet_zeros_packing(4)) }),
    (four, { integers("IQ4_NL, IQ4_XS", type(MARTLET_IQ4_NL)) }),
    (four, { integers("MXFP4", type(MARTLET_MXFP4)) }),
    (four, { levels("16 levels, runs of 64: NF4, FP4", run: 64) }),
    (eight, { integers("8 bits beside zeros", martlet_zeros_packing(8)) }),
    (eight, { coded("E4M3, a scale for a row", MARTLET_CODE_E4M3, run: columns) }),
    (eight, { coded("E4M3, blocks of 128", MARTLET_CODE_E4M3, run: 128) }),
    (eight, { coded("E5M2, a scale for a row", MARTLET_CODE_E5M2, run: columns) }),
    (four, actOrder),
    (four, { try offsets("4 bits with offsets beyond half precision: mlx", scale: 1) }),
    (four, { try offsets("4 bits with scales beyond half precision: mlx", scale: 1 / 3) }),
    (four, groupsOfOutputs),
]
for form in forms {
    let candidate = try form.make()
    var plain: [Double] = [], own: [Double] = []
    for round in 0...repetitions {
        let first = form.plain.seconds(), second = candidate.seconds()
        guard round > 0 else { continue }
        plain.append(first)
        own.append(second)
    }
    func speed(_ bytes: Int, _ times: [Double]) -> Double { shortened(Double(bytes) / median(times) / 1e9) }
    print(
        "{\"set\": \"\(set)\", \"form\": \"\(candidate.name)\", \"bits\": \(shortened(Double(candidate.bytes) * 8 / Double(rows * columns))), "
            + "\"GB/s\": \(speed(candidate.bytes, own)), \"plain\": \"\(form.plain.name)\", \"plain GB/s\": \(speed(form.plain.bytes, plain)), "
            + "\"ratio\": \(shortened(median(zip(plain, own).map { $0 / $1 }))), \"rows\": \(rows), \"columns\": \(columns), \"activation rows\": \(count)}"
    )
}
