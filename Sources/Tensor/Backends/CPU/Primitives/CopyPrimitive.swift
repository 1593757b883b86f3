/// Copies elements as bytes between layouts: from any strides to any strides.
extension Tensor {
    /// Writes this tensor's elements, broadcast, to `destination`, which has the same type.
    /// - Precondition: plain type; this shape broadcasts to `destination.shape`; the two do not overlap.
    @inline(never)
    func copyOnCPU(to destination: Tensor) {
        let span = OperationSpan("copy")
        defer { span.end() }
        OperationSpan.count(bytes: elementBytes + destination.elementBytes)
        let source = stridesBroadcast(to: destination.shape)
        let loop = StridedLoop(destination.shape, destination.strides, source)
        switch dtype.blockByteCount {
        case 1: copyRuns(loop, pointer(as: UInt8.self), destination.pointer(as: UInt8.self))
        case 2: copyRuns(loop, pointer(as: UInt16.self), destination.pointer(as: UInt16.self))
        case 4: copyRuns(loop, pointer(as: UInt32.self), destination.pointer(as: UInt32.self))
        default: copyRuns(loop, pointer(as: UInt64.self), destination.pointer(as: UInt64.self))
        }
    }
}

private func copyRuns<T: FixedWidthInteger>(
    _ loop: StridedLoop, _ source: UnsafeMutablePointer<T>, _ destination: UnsafeMutablePointer<T>
) {
    let step = loop.innerStrides
    parallelRanges(loop.count) { range in
        loop.forEachRun(in: range) { length, offsets in
            let to = destination + offsets[0], from = source + offsets[1]
            if step[0] == 1 && step[1] == 1 {
                to.update(from: from, count: length)
            } else if step[0] == 1 {
                let stride = step[1]
                for i in 0..<length { to[i] = from[i &* stride] }
            } else {
                for i in 0..<length { to[i &* step[0]] = from[i &* step[1]] }
            }
        }
    }
}
