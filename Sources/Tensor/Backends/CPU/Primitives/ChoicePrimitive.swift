extension Tensor {
    /// `destination = condition ? a : b`; elements are copied as bytes.
    /// - Precondition: `condition` is bool; the others have the same plain type; all broadcast to
    ///   `destination.shape`.
    @inline(never)
    static func chooseOnCPU(_ condition: Tensor, _ a: Tensor, _ b: Tensor, into destination: Tensor) {
        switch destination.dtype.blockByteCount {
        case 1: chooseRuns(UInt8.self, condition, a, b, destination)
        case 2: chooseRuns(UInt16.self, condition, a, b, destination)
        case 4: chooseRuns(UInt32.self, condition, a, b, destination)
        default: chooseRuns(UInt64.self, condition, a, b, destination)
        }
    }
}

private func chooseRuns<T: FixedWidthInteger>(
    _ type: T.Type, _ condition: Tensor, _ a: Tensor, _ b: Tensor, _ out: Tensor
) {
    let loop = StridedLoop(
        out.shape, out.strides, condition.stridesBroadcast(to: out.shape), a.stridesBroadcast(to: out.shape),
        b.stridesBroadcast(to: out.shape))
    let step = loop.innerStrides
    let mask = condition.pointer(as: UInt8.self), first = a.pointer(as: type), second = b.pointer(as: type)
    let result = out.pointer(as: type)
    parallelRanges(loop.count) { range in
        loop.forEachRun(in: range) { length, offsets in
            let to = result + offsets[0], m = mask + offsets[1], x = first + offsets[2], y = second + offsets[3]
            for i in 0..<length {
                to[i &* step[0]] = m[i &* step[1]] != 0 ? x[i &* step[2]] : y[i &* step[3]]
            }
        }
    }
}
