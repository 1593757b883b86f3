import CKernels

extension Tensor {
    /// Row by row over contiguous operands, on several threads if there is enough work.
    private func forEachRow(_ body: (_ row: Int, _ width: Int) -> Void) {
        let width = shape.last ?? 1
        guard width > 0 else { return }
        parallelRanges(elementCount / width, grain: Swift.max(1, elementGrain / 4 / width)) { range in
            for row in range { body(row, width) }
        }
    }

    /// Running sum or product of each row; floats accumulate in float64. Contiguous, of one computed type.
    func scanRowsOnCPU(_ operation: ScanOperation, into destination: Tensor) {
        switch dtype {
        case .float32:
            scan(operation, destination, Float.self, Double.self, { Double($0) }, { Float($0) })
        case .float64: scan(operation, destination, Double.self, Double.self, { $0 }, { $0 })
        case .int64: scan(operation, destination, Int64.self, Int64.self, { $0 }, { $0 })
        default: scan(operation, destination, Int32.self, Int32.self, { $0 }, { $0 })
        }
    }

    @inline(__always)
    private func scan<T, A: ComputeElement>(
        _ operation: ScanOperation, _ out: Tensor, _ type: T.Type, _ wide: A.Type, _ lift: (T) -> A,
        _ finish: (A) -> T
    ) {
        let source = pointer(as: type), result = out.pointer(as: type)
        forEachRow { row, width in
            let x = source + row * width, to = result + row * width
            if operation == .sum {
                var total = A.zero
                for i in 0..<width {
                    total = A.plus(total, lift(x[i]))
                    to[i] = finish(total)
                }
            } else {
                var total = A.one
                for i in 0..<width {
                    total = A.times(total, lift(x[i]))
                    to[i] = finish(total)
                }
            }
        }
    }

    /// The index of each row's largest (or smallest) element; the first among equals; NaN is both largest and smallest.
    /// Contiguous, of one computed type; `destination` is int64.
    func extremeOfRowsOnCPU(largest: Bool, into destination: Tensor) {
        switch dtype {
        case .float32:
            let vector = martlet_kernels_active().pointee.vector
            let source = floats, result = destination.pointer(as: Int64.self)
            forEachRow { row, width in
                let x = source + row * width
                let place = largest ? vector.index_of_largest(x, width) : vector.index_of_smallest(x, width)
                result[row] = Int64(place)
            }
        case .float64: extreme(largest, destination, Double.self)
        case .int64: extreme(largest, destination, Int64.self)
        default: extreme(largest, destination, Int32.self)
        }
    }

    private func extreme<T: ComputeElement>(_ largest: Bool, _ out: Tensor, _ type: T.Type) {
        let source = pointer(as: type), result = out.pointer(as: Int64.self)
        forEachRow { row, width in
            let x = source + row * width
            var best = x[0], place = 0
            for i in 1..<Swift.max(width, 1) where !best.isNotANumber {
                if x[i].isNotANumber || (largest ? x[i] > best : x[i] < best) {
                    best = x[i]
                    place = i
                }
            }
            result[row] = Int64(place)
        }
    }

    /// The first `count` indices of each row in sorted order (stable; NaN sorts as the largest). Contiguous, of one
    /// computed type; `destination` is int64, with rows of `count`.
    func orderRowsOnCPU(descending: Bool, count: Int, into destination: Tensor) {
        switch dtype {
        case .float32: order(descending, count, destination, Float.self)
        case .float64: order(descending, count, destination, Double.self)
        case .int64: order(descending, count, destination, Int64.self)
        default: order(descending, count, destination, Int32.self)
        }
    }

    private func order<T: ComputeElement>(_ descending: Bool, _ count: Int, _ out: Tensor, _ type: T.Type) {
        let source = pointer(as: type), result = out.pointer(as: Int64.self)
        forEachRow { row, width in
            let x = source + row * width, to = result + row * count
            // Total order: NaN last when ascending, equal elements by index.
            func precedes(_ i: Int32, _ j: Int32) -> Bool {
                let a = x[Int(i)], b = x[Int(j)]
                let smaller = b.isNotANumber ? !a.isNotANumber : a < b
                let greater = a.isNotANumber ? !b.isNotANumber : a > b
                if descending { return greater || (!smaller && i < j) }
                return smaller || (!greater && i < j)
            }
            var places: [Int32]
            if count * 8 < width {
                // `count` is small: keep the best so far in sorted order and drop the rest.
                places = []
                places.reserveCapacity(count + 1)
                for i in 0..<Int32(width) {
                    if places.count == count && (count == 0 || precedes(places[count - 1], i)) { continue }
                    var low = 0, high = places.count
                    while low < high {
                        let middle = (low + high) / 2
                        if precedes(places[middle], i) { low = middle + 1 } else { high = middle }
                    }
                    places.insert(i, at: low)
                    if places.count > count { places.removeLast() }
                }
            } else {
                places = Array(0..<Int32(width))
                places.sort(by: precedes)
            }
            for i in 0..<count { to[i] = Int64(places[i]) }
        }
    }
}
