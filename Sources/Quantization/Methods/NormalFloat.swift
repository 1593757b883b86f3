import MartletJSON
import MartletTensor

/// NF4 (Dettmers et al. 2023, QLoRA): 16 levels that a normal distribution fills evenly, or those of FP4; a scale for each 64
/// weights, the scales themselves in eight bits in blocks of 256 after their mean is taken away.
enum NormalFloat {
    static let levels: [Float] = [
        -1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0, 0.0795803, 0.1609302,
        0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1,
    ]
    static let blockLength = 64
    private static let nestedLength = 256

    struct Encoded {
        /// Two codes a byte, the first above.
        var codes: [UInt8]
        var absmax: [UInt8]
        var nestedAbsmax: [Float]
        let nestedMap: [Float]
        let offset: Float
    }

    /// Four-bit floats of bitsandbytes: a sign, two bits of exponent and one of fraction, the largest being one. Codes 8 to 15
    /// are those of 0 to 7 with a minus.
    static let floatLevels: [Float] = {
        let positive: [Float] = [0, 0.0052083333, 0.6666667, 1, 0.33333334, 0.5, 0.16666667, 0.25]
        return positive + positive.map { -$0 }
    }()

    /// - Parameter levels: of the 16 codes, in any order.
    static func encode(_ weight: Tensor, levels: [Float] = NormalFloat.levels) throws -> Encoded {
        let order = levels.indices.sorted { (levels[$0], $0) < (levels[$1], $1) }
        let ascending = order.map { levels[$0] }
        let count = weight.elementCount, blocks = (count + blockLength - 1) / blockLength
        return try weight.withHostValues { values in
            let scales = (0..<blocks).map { block -> Float in
                values[block * blockLength..<min((block + 1) * blockLength, count)].reduce(0) { max($0, abs($1)) }
            }
            let offset = scales.reduce(0, +) / Float(max(blocks, 1))
            let map = dynamicMap
            var nested: [Float] = [], absmax: [UInt8] = []
            for first in stride(from: 0, to: blocks, by: nestedLength) {
                let part = scales[first..<min(first + nestedLength, blocks)].map { $0 - offset }
                let most = part.reduce(0) { max($0, abs($1)) }
                nested.append(most)
                absmax += part.map { nearest(most > 0 ? $0 / most : 0, map) }
            }
            // Codes for the scales as they will be read.
            var codes = [UInt8](repeating: 0, count: (count + 1) / 2)
            for index in 0..<count {
                let block = index / blockLength
                let scale = map[Int(absmax[block])] * nested[block / nestedLength] + offset
                let code = UInt8(order[Int(nearest(scale > 0 ? values[index] / scale : 0, ascending))])
                codes[index / 2] |= index % 2 == 0 ? code << 4 : code
            }
            return Encoded(codes: codes, absmax: absmax, nestedAbsmax: nested, nestedMap: map, offset: offset)
        }
    }

    static func state(_ type: String, shape: Shape, offset: Float) -> [UInt8] {
        let json: JSON = [
            "quant_type": .string(type), "blocksize": .integer(Int64(blockLength)), "dtype": "bfloat16",
            "shape": .array(shape.map { .integer(Int64($0)) }), "nested_blocksize": .integer(Int64(nestedLength)),
            "nested_dtype": "float32", "nested_offset": .number(Double(offset)),
        ]
        return json.bytes()
    }

    /// The number of the nearest of ascending levels.
    static func nearest(_ value: Float, _ levels: [Float]) -> UInt8 {
        var low = 0, high = levels.count - 1
        while low < high {
            let middle = (low + high) / 2
            if value > 0.5 * (levels[middle] + levels[middle + 1]) { low = middle + 1 } else { high = middle }
        }
        return UInt8(low)
    }

    /// bitsandbytes' dynamic map of eight bits: a sign, an exponent of base ten as a run of zeros, and a linear fraction
    /// (Dettmers et al. 2022, 8-bit Optimizers via Block-wise Quantization).
    static let dynamicMap: [Float] = {
        var all: [Float] = [0, 1]
        for exponent in 0..<7 {
            let steps = 1 << exponent
            let scale = pow10(exponent - 6)
            for step in 0..<steps {
                // The middles of equal parts of 0.1 … 1.
                let middle = 0.1 + 0.9 * (Float(step) + 0.5) / Float(steps)
                all += [middle * scale, -middle * scale]
            }
        }
        return all.sorted()
    }()

    private static func pow10(_ exponent: Int) -> Float {
        (0..<abs(exponent)).reduce(1) { value, _ in exponent < 0 ? value / 10 : value * 10 }
    }
}
