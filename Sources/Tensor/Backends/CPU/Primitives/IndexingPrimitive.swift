extension Tensor {
    /// `destination[.., i, ..] = self[.., index[.., i, ..], ..]` along `axis`. `index` is int64, already checked, and
    /// has `destination`'s shape.
    @inline(never)
    func gatherOnCPU(_ axis: Int, _ index: Tensor, into destination: Tensor) {
        switch dtype.blockByteCount {
        case 1: gatherRuns(UInt8.self, axis, self, index, destination)
        case 2: gatherRuns(UInt16.self, axis, self, index, destination)
        case 4: gatherRuns(UInt32.self, axis, self, index, destination)
        default: gatherRuns(UInt64.self, axis, self, index, destination)
        }
    }

    /// `self[.., index[.., i, ..], ..] = source[.., i, ..]`, or `+=`, in row-major order of `index`, on one thread
    /// because indices may repeat.
    @inline(never)
    func scatterOnCPU(_ operation: ScatterOperation, _ axis: Int, _ index: Tensor, _ source: Tensor) {
        switch (operation, dtype) {
        case (.scatterAdd, .float32): scatterRuns(axis, self, index, source) { (a: Float, b) in a + b }
        case (.scatterAdd, .float64): scatterRuns(axis, self, index, source) { (a: Double, b) in a + b }
        case (.scatterAdd, .int64): scatterRuns(axis, self, index, source) { (a: Int64, b) in a &+ b }
        case (.scatterAdd, _): scatterRuns(axis, self, index, source) { (a: Int32, b) in a &+ b }
        case (.scatter, _):
            switch dtype.blockByteCount {
            case 1: scatterRuns(axis, self, index, source) { (_: UInt8, b) in b }
            case 2: scatterRuns(axis, self, index, source) { (_: UInt16, b) in b }
            case 4: scatterRuns(axis, self, index, source) { (_: UInt32, b) in b }
            default: scatterRuns(axis, self, index, source) { (_: UInt64, b) in b }
            }
        }
    }

    /// Whole slices: `destination[.., i, ..] = self[.., places[i], ..]`; the operands are contiguous.
    func gatherSlicesOnCPU(_ axis: Int, _ places: Tensor, into destination: Tensor) {
        let count = destination.shape[axis], extent = shape[axis]
        var outer = 1, inner = 1
        for place in 0..<axis { outer *= shape[place] }
        for place in (axis + 1)..<Swift.max(rank, axis + 1) { inner *= shape[place] }
        let slice = dtype.byteCount(of: inner) ?? 0
        let from = pointer, to = destination.pointer, indices = places.pointer(as: Int64.self)
        parallelRanges(outer * count, grain: Swift.max(1, elementGrain * 4 / Swift.max(slice, 1))) { range in
            for place in range {
                let (block, row) = place.quotientAndRemainder(dividingBy: count)
                (to + place * slice).copyMemory(
                    from: from + (block * extent + Int(indices[row])) * slice, byteCount: slice)
            }
        }
    }
}

private func gatherRuns<T: FixedWidthInteger>(
    _ type: T.Type, _ axis: Int, _ x: Tensor, _ index: Tensor, _ out: Tensor
) {
    var strides = x.strides
    strides[axis] = 0
    let loop = StridedLoop(out.shape, out.strides, index.strides, strides)
    let step = loop.innerStrides, along = x.strides[axis]
    let source = x.pointer(as: type), places = index.pointer(as: Int64.self), result = out.pointer(as: type)
    parallelRanges(loop.count) { range in
        loop.forEachRun(in: range) { length, offsets in
            let to = result + offsets[0], place = places + offsets[1], from = source + offsets[2]
            for i in 0..<length {
                to[i &* step[0]] = from[i &* step[2] &+ Int(place[i &* step[1]]) &* along]
            }
        }
    }
}

@inline(__always)
private func scatterRuns<T: BitwiseCopyable>(
    _ axis: Int, _ x: Tensor, _ index: Tensor, _ source: Tensor, _ combine: (T, T) -> T
) {
    var strides = x.strides
    strides[axis] = 0
    let loop = StridedLoop(index.shape, strides, index.strides, source.strides)
    let step = loop.innerStrides, along = x.strides[axis]
    let target = x.pointer(as: T.self), places = index.pointer(as: Int64.self), values = source.pointer(as: T.self)
    loop.forEachRun(in: 0..<loop.count) { length, offsets in
        let to = target + offsets[0], place = places + offsets[1], from = values + offsets[2]
        for i in 0..<length {
            let position = i &* step[0] &+ Int(place[i &* step[1]]) &* along
            to[position] = combine(to[position], from[i &* step[2]])
        }
    }
}
