extension PackedMatrix {
    /// A matrix `[rows, groups]`, whose product with the sums of the groups of an input is added to the result.
    package struct GroupOffsets {
        package let matrix: PackedMatrix
        /// Columns of a group.
        package let size: Int

        package init(matrix: PackedMatrix, size: Int) {
            self.matrix = matrix
            self.size = size
        }
    }

    /// Products with columns of x in the order of the matrices', and with what groups of columns have added. Matrices that
    /// ask for the same of an input share it.
    static func multiplyRearranged(_ x: Tensor, by matrices: [PackedMatrix]) -> [Tensor] {
        guard let first = matrices.first else { return [] }
        let areAlike = matrices.dropFirst().allSatisfy {
            $0.inputScales == nil && $0.columnOrder == first.columnOrder && $0.inputRounding == first.inputRounding
                && $0.groupOffsets?.size == first.groupOffsets?.size
        }
        guard areAlike, first.inputScales == nil || matrices.count == 1 else {
            return matrices.flatMap { multiplyRearranged(x, by: [$0]) }
        }
        if let inputScales = first.inputScales { return [first.multiply(x, scaledBy: inputScales)] }
        let input = first.columnOrder.map { gathered(x, $0) } ?? x
        let outputs = product(input, by: matrices, first.inputRounding)
        guard let size = first.groupOffsets?.size else { return outputs }
        let more = product(sums(of: input, size), by: matrices.compactMap(\.groupOffsets?.matrix), nil)
        for (output, more) in zip(outputs, more) {
            let target = output.floats, added = more.floats, rows = output.shape[1]
            Fused.forRows(output.shape[0], width: rows) { range in
                for index in range.lowerBound * rows..<range.upperBound * rows { target[index] += added[index] }
            }
        }
        withExtendedLifetime((input, more)) {}
        return outputs
    }

    private static func gathered(_ x: Tensor, _ order: [Int32]) -> Tensor {
        let input = Tensor(uninitialized: x.shape), columns = x.shape[1]
        let source = x.floats, target = input.floats
        Fused.forRows(x.shape[0], width: columns) { range in
            for row in range {
                for (place, column) in order.enumerated() {
                    target[row * columns + place] = source[row * columns + Int(column)]
                }
            }
        }
        return input
    }

    /// The sums of neighbouring columns, each in ascending order: `[count, columns / size]`.
    private static func sums(of x: Tensor, _ size: Int) -> Tensor {
        let count = x.shape[0], columns = x.shape[1], groups = columns / size
        let sums = Tensor(uninitialized: [count, groups]), source = x.floats, target = sums.floats
        Fused.forRows(count, width: columns) { range in
            for row in range {
                for group in 0..<groups {
                    var sum: Float = 0
                    for column in group * size..<(group + 1) * size { sum += source[row * columns + column] }
                    target[row * groups + group] = sum
                }
            }
        }
        return sums
    }
}
