import MartletTensor

/// A frozen matrix whose numbers are computed from the codes and scales that its files hold.
protocol DecodedMatrix: WeightMatrix {
    /// Writes the rows that are asked for.
    func decode(_ rows: DecodedRows)
}

/// Rows of a matrix to be written as float32.
struct DecodedRows {
    fileprivate let range: Range<Int>
    fileprivate let width: Int
    fileprivate let output: UnsafeMutableBufferPointer<Float>

    /// Has every row written, on several threads if there are many.
    /// - Parameter write: given the row of the matrix, and where its numbers belong.
    func each(_ write: (_ row: Int, _ numbers: UnsafeMutableBufferPointer<Float>) -> Void) {
        nonisolated(unsafe) let output = output
        Fused.forRows(range.count, width: width) { part in
            for row in part {
                write(range.lowerBound + row, .init(rebasing: output[row * width..<(row + 1) * width]))
            }
        }
    }
}

extension DecodedMatrix {
    public var byteCount: Int { storedTensors.reduce(0) { $0 + ($1.dtype.byteCount(of: $1.elementCount) ?? 0) } }
    public var dense: Tensor? { nil }

    public func float32Rows(_ rows: Range<Int>) throws(TensorError) -> Tensor {
        guard rows.lowerBound >= 0, rows.upperBound <= shape[0] else {
            throw TensorError(.shape, "float32Rows", "rows \(rows) do not lie in \(shape)")
        }
        let width = shape[1]
        return Tensor(filling: [rows.count, width], dtype: .float32) { target in
            decode(DecodedRows(range: rows, width: width, output: target.bindMemory(to: Float.self)))
        }
    }
}
