import CKernels

/// The instruction sets that this machine has, portable C first.
let instructionSets = (0..<UInt32(MARTLET_INSTRUCTION_SETS)).compactMap { raw -> (String, martlet_kernels)? in
    let set = martlet_instruction_set(rawValue: raw)
    guard let table = martlet_kernels_variant(set) else { return nil }
    return (String(cString: martlet_instruction_set_name(set)), table.pointee)
}

/// The same numbers in every run (splitmix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }
}

/// Equal bits, NaNs included.
func sameBits(_ a: [Float], _ b: [Float]) -> Bool { a.map(\.bitPattern) == b.map(\.bitPattern) }

/// Largest |value - expected| in units in the last place of the expected float.
func unitsInLastPlace(_ values: [Float], _ expected: [Double]) -> Double {
    zip(values, expected).reduce(0) { worst, pair in
        let rounded = Float(pair.1)
        if Double(pair.0) == pair.1 || pair.0 == rounded || (pair.0.isNaN && rounded.isNaN) { return worst }
        return max(worst, abs(Double(pair.0) - pair.1) / Double(rounded.ulp))
    }
}
