import MartletTensor

/// W[o, i] = scale[g] · code[o, i] + offset[g]: the kinds differ in which group g an element is of.
protocol OffsetCodes: DecodedMatrix {
    var codes: PackedCodes { get }
    /// One for each group.
    var scales: [Float] { get }
    var offsets: [Float] { get }
    /// The tensors that scales and offsets were read from.
    var parameters: [Tensor] { get }

    func group(_ output: Int, _ input: Int) -> Int
}

extension OffsetCodes {
    public var storedTensors: [Tensor] { [codes.tensor] + parameters }

    /// - Throws: `TensorError` where a scale or an offset is not finite.
    static func check(_ scales: [Float], _ offsets: [Float]) throws(TensorError) {
        guard scales.allSatisfy(\.isFinite), offsets.allSatisfy(\.isFinite) else {
            throw TensorError(.argument, "groups", "a scale or an offset is no finite number")
        }
    }

    func decode(_ rows: DecodedRows) {
        codes.read { code in
            rows.each { row, numbers in
                for input in numbers.indices {
                    let group = group(row, input)
                    numbers[input] = scales[group] * Float(code(row, input)) + offsets[group]
                }
            }
        }
    }
}
