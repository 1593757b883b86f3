/// Iterates over up to four operands of one shape, in row-major order, as runs along the innermost dimension.
///
/// Dimensions of extent one are removed, and neighbouring dimensions that every operand steps through evenly are
/// merged, so contiguous operands form a single run. Offsets and strides are in elements.
struct StridedLoop {
    let count: Int
    /// Merged dimensions except the innermost, outermost first.
    private var outer: [(extent: Int, strides: SIMD4<Int>)] = []
    private(set) var innerCount = 1
    /// Stride of each operand within a run.
    private(set) var innerStrides = SIMD4<Int>.zero

    init(_ shape: Shape, _ s0: Shape, _ s1: Shape? = nil, _ s2: Shape? = nil, _ s3: Shape? = nil) {
        count = shape.elementCount
        var dimensions: [(extent: Int, strides: SIMD4<Int>)] = []
        for axis in 0..<shape.rank where shape[axis] != 1 {
            let strides = SIMD4(s0[axis], s1?[axis] ?? 0, s2?[axis] ?? 0, s3?[axis] ?? 0)
            let extent = shape[axis]
            if let last = dimensions.last, last.strides == strides &* SIMD4(repeating: extent) {
                dimensions[dimensions.count - 1] = (last.extent * extent, strides)
            } else {
                dimensions.append((extent, strides))
            }
        }
        if let inner = dimensions.popLast() {
            innerCount = inner.extent
            innerStrides = inner.strides
        }
        outer = dimensions
    }

    /// Calls `body(length, offsets)` for every run, or part of a run, inside `range` of the row-major indices.
    @inline(never)
    func forEachRun(in range: Range<Int>, _ body: (Int, SIMD4<Int>) -> Void) {
        guard !range.isEmpty else { return }
        if outer.isEmpty {
            body(range.count, innerStrides &* SIMD4(repeating: range.lowerBound))
            return
        }
        outer.withUnsafeBufferPointer { outer in
            withUnsafeTemporaryAllocation(of: Int.self, capacity: outer.count) { index in
                var position = range.lowerBound
                var (rest, within) = position.quotientAndRemainder(dividingBy: innerCount)
                var offsets = SIMD4<Int>.zero
                for axis in stride(from: outer.count - 1, through: 0, by: -1) {
                    let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: outer[axis].extent)
                    index.initializeElement(at: axis, to: remainder)
                    offsets &+= outer[axis].strides &* SIMD4(repeating: remainder)
                    rest = quotient
                }
                while true {
                    let length = min(innerCount - within, range.upperBound - position)
                    body(length, offsets &+ innerStrides &* SIMD4(repeating: within))
                    position += length
                    if position >= range.upperBound { return }
                    within = 0
                    var axis = outer.count - 1
                    while axis >= 0 {
                        index[axis] += 1
                        offsets &+= outer[axis].strides
                        if index[axis] < outer[axis].extent { break }
                        offsets &-= outer[axis].strides &* SIMD4(repeating: outer[axis].extent)
                        index[axis] = 0
                        axis -= 1
                    }
                }
            }
        }
    }
}

extension Tensor {
    /// The strides for iterating over this tensor as if it had shape `target`; 0 along broadcast dimensions.
    /// - Precondition: the shapes broadcast.
    func stridesBroadcast(to target: Shape) -> Shape {
        var result = target
        let lead = target.rank - rank
        for axis in 0..<target.rank {
            let own = axis - lead
            result[axis] = own < 0 || (shape[own] == 1 && target[axis] != 1) ? 0 : strides[own]
        }
        return result
    }

    @inline(__always)
    func pointer<T>(as type: T.Type) -> UnsafeMutablePointer<T> { pointer.assumingMemoryBound(to: type) }
}

extension Shape {
    /// The common shape of both after broadcasting (trailing dimensions align; 1 stretches), or nil.
    public static func broadcast(_ a: Shape, _ b: Shape) -> Shape? {
        var result = a.rank >= b.rank ? a : b
        for axis in 0..<result.rank {
            let i = axis - (result.rank - a.rank), j = axis - (result.rank - b.rank)
            let x = i < 0 ? 1 : a[i], y = j < 0 ? 1 : b[j]
            guard x == y || x == 1 || y == 1 else { return nil }
            result[axis] = x == 1 ? y : x
        }
        return result
    }
}
