import CKernels

extension CPU {
    static func embed(_ ids: [Int32], _ table: Tensor, scale: Float) throws(TensorError) -> Tensor {
        guard table.rank == 2, table.isContiguous else {
            throw TensorError(.shape, "embed", "needs a contiguous table [vocabulary, width], got \(table.shape)")
        }
        let width = table.shape[1], vocabulary = table.shape[0]
        let result = Tensor(uninitialized: [ids.count, width])
        let rowBytes = width / table.dtype.blockLength * table.dtype.blockByteCount
        for (row, id) in ids.enumerated() {
            guard (0..<vocabulary).contains(Int(id)) else {
                throw TensorError(.index, "embed", "id \(id) is outside the table of \(vocabulary) rows")
            }
            let target = result.floats + row * width
            try Dequantize.row(table.dtype, table.pointer + Int(id) * rowBytes, count: width, into: target)
            if scale != 1 { for i in 0..<width { target[i] *= scale } }
        }
        guard Tensor.isRecording(table) else { return result }
        return result.recorded("embed", [table]) { flow in
            let gradient = try flow.contiguousGradient()
            // Each gradient row is read and added to a table row, which is read and written.
            OperationSpan.count(bytes: 3 * gradient.elementBytes)
            try flow.write(0) { destination, accumulate in
                if !accumulate { try destination.fill(0) }
                // In the order of the ids, so that the sum for a row does not depend on the number of threads: each
                // thread owns a range of rows of the table.
                let axpy = martlet_kernels_active().pointee.vector.axpy
                let shares = ThreadPool.shared.workerCount
                ThreadPool.shared.run(shares) { share in
                    for (row, id) in ids.enumerated() where Int(id) % shares == share {
                        axpy(scale, gradient.floats + row * width, destination.floats + Int(id) * width, width)
                    }
                }
            }
        }
    }
}

extension CPU {
    static func placeRows(_ x: Tensor, at rows: [Int32], of count: Int) throws(TensorError) -> Tensor {
        try Fused.check("placeRows", x)
        guard x.rank == 2, x.shape[0] == rows.count, rows.allSatisfy({ (0..<count).contains(Int($0)) }) else {
            throw TensorError(.index, "placeRows", "\(rows.count) places among \(count) rows do not fit \(x.shape)")
        }
        let width = x.shape[1]
        let result = try Tensor.zeros([count, width])
        for (index, row) in rows.enumerated() {
            (result.floats + Int(row) * width).update(from: x.floats + index * width, count: width)
        }
        guard Tensor.isRecording(x) else { return result }
        return result.recorded("placeRows", [x]) { flow in
            try flow.give(0, Fused.embed(rows, flow.contiguousGradient(), scale: 1))
        }
    }
}

extension Tensor {
    /// The same values as contiguous float32; returns self if it already is.
    package func float32() throws(TensorError) -> Tensor {
        if dtype == .float32, isContiguous { return self }
        guard isContiguous else { throw TensorError(.storage, "float32", "needs a contiguous tensor") }
        let result = Tensor(uninitialized: shape)
        try Dequantize.row(dtype, pointer, count: elementCount, into: result.floats)
        return result
    }
}
