import CKernels

protocol ReductionFunction<Element, Partial> {
    associatedtype Element: ComputeElement
    associatedtype Partial: ComputeElement
    static var initial: Partial { get }
    static func lift(_ x: Element) -> Partial
    static func combine(_ a: Partial, _ b: Partial) -> Partial
    static func finish(_ x: Partial) -> Element
    /// Reduces a contiguous block of at most `reductionBlock` elements.
    static func block(_ x: UnsafePointer<Element>, _ count: Int) -> Partial
}

extension ReductionFunction {
    /// In 16 interleaved lanes, combined in order.
    static func block(_ x: UnsafePointer<Element>, _ count: Int) -> Partial {
        let whole = count / 16 * 16
        return withUnsafeTemporaryAllocation(of: Partial.self, capacity: 16) { lanes in
            for lane in 0..<16 { lanes[lane] = initial }
            for start in stride(from: 0, to: whole, by: 16) {
                for lane in 0..<16 { lanes[lane] = combine(lanes[lane], lift(x[start &+ lane])) }
            }
            var total = initial
            for lane in 0..<16 { total = combine(total, lanes[lane]) }
            for i in whole..<count { total = combine(total, lift(x[i])) }
            return total
        }
    }
}

private enum FloatSum: ReductionFunction {
    static var initial: Double { 0 }
    @inline(__always) static func lift(_ x: Float) -> Double { Double(x) }
    @inline(__always) static func combine(_ a: Double, _ b: Double) -> Double { a + b }
    static func block(_ x: UnsafePointer<Float>, _ count: Int) -> Double {
        Double(martlet_kernels_active().pointee.vector.sum(x, count))
    }
    @inline(__always) static func finish(_ x: Double) -> Float { Float(x) }
}
private enum FloatProduct: ReductionFunction {
    static var initial: Double { 1 }
    @inline(__always) static func lift(_ x: Float) -> Double { Double(x) }
    @inline(__always) static func combine(_ a: Double, _ b: Double) -> Double { a * b }
    @inline(__always) static func finish(_ x: Double) -> Float { Float(x) }
}
private enum FloatMaximum: PlainReduction {
    static var initial: Float { -.infinity }
    @inline(__always) static func combine(_ a: Float, _ b: Float) -> Float { Float.larger(a, b) }
    static func block(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
        martlet_kernels_active().pointee.vector.largest(x, count)
    }
}
private enum FloatMinimum: PlainReduction {
    static var initial: Float { .infinity }
    @inline(__always) static func combine(_ a: Float, _ b: Float) -> Float { Float.smaller(a, b) }
    static func block(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
        martlet_kernels_active().pointee.vector.smallest(x, count)
    }
}
/// The element and the accumulator have the same type.
private protocol PlainReduction: ReductionFunction where Partial == Element {}
extension PlainReduction {
    @inline(__always) static func lift(_ x: Element) -> Element { x }
    @inline(__always) static func finish(_ x: Element) -> Element { x }
}
private enum Sum<T: ComputeElement>: PlainReduction {
    static var initial: T { T.zero }
    @inline(__always) static func combine(_ a: T, _ b: T) -> T { T.plus(a, b) }
}
private enum Product<T: ComputeElement>: PlainReduction {
    static var initial: T { T.one }
    @inline(__always) static func combine(_ a: T, _ b: T) -> T { T.times(a, b) }
}
private enum Maximum<T: ComputeElement>: PlainReduction {
    static var initial: T { T.lowest }
    @inline(__always) static func combine(_ a: T, _ b: T) -> T { T.larger(a, b) }
}
private enum Minimum<T: ComputeElement>: PlainReduction {
    static var initial: T { T.highest }
    @inline(__always) static func combine(_ a: T, _ b: T) -> T { T.smaller(a, b) }
}

/// Elements summed before rounding into the accumulator; also the unit of work of a thread.
private let reductionBlock = 1024
private let blocksPerTask = 32

extension Tensor {
    /// `destination = operation over the axes` that `reduced` marks. `destination` is contiguous and has this shape
    /// with extent 1 along those axes.
    /// - Precondition: one computed type; for minimum and maximum the reduced extents are not zero.
    @inline(never)
    func reduceOnCPU(_ operation: ReductionOperation, over reduced: [Bool], into destination: Tensor) {
        let span = OperationSpan("\(operation)")
        defer { span.end() }
        OperationSpan.count(bytes: elementBytes + destination.elementBytes)
        switch (dtype, operation) {
        case (.float32, .sum): reduceRuns(FloatSum.self, self, reduced, destination)
        case (.float32, .product): reduceRuns(FloatProduct.self, self, reduced, destination)
        case (.float32, .maximum): reduceRuns(FloatMaximum.self, self, reduced, destination)
        case (.float32, .minimum): reduceRuns(FloatMinimum.self, self, reduced, destination)
        case (.float64, _): reducePlain(operation, Double.self, self, reduced, destination)
        case (.int64, _): reducePlain(operation, Int64.self, self, reduced, destination)
        default: reducePlain(operation, Int32.self, self, reduced, destination)
        }
    }
}

private func reducePlain<T: ComputeElement>(
    _ operation: ReductionOperation, _ type: T.Type, _ x: Tensor, _ reduced: [Bool], _ out: Tensor
) {
    switch operation {
    case .sum: reduceRuns(Sum<T>.self, x, reduced, out)
    case .product: reduceRuns(Product<T>.self, x, reduced, out)
    case .maximum: reduceRuns(Maximum<T>.self, x, reduced, out)
    case .minimum: reduceRuns(Minimum<T>.self, x, reduced, out)
    }
}

@inline(never)
private func reduceRuns<F: ReductionFunction>(_ function: F.Type, _ x: Tensor, _ reduced: [Bool], _ out: Tensor) {
    var keptAxes: [Int] = [], reducedAxes: [Int] = []
    for axis in 0..<x.rank { if reduced[axis] { reducedAxes.append(axis) } else { keptAxes.append(axis) } }
    let kept = StridedLoop(
        Shape(keptAxes.map { x.shape[$0] }), Shape(keptAxes.map { out.strides[$0] }),
        Shape(keptAxes.map { x.strides[$0] }))
    let inner = StridedLoop(Shape(reducedAxes.map { x.shape[$0] }), Shape(reducedAxes.map { x.strides[$0] }))
    let source = x.pointer(as: F.Element.self), destination = out.pointer(as: F.Element.self)
    guard kept.count > 0 else { return }

    if kept.count == 1 && inner.count > reductionBlock * blocksPerTask {
        // One output: tasks reduce ranges of fixed length, and the partial results are combined in order.
        let stretch = reductionBlock * blocksPerTask
        let tasks = (inner.count + stretch - 1) / stretch
        withUnsafeTemporaryAllocation(of: F.Partial.self, capacity: tasks) { partials in
            let partials = partials.baseAddress.unsafelyUnwrapped
            parallelRanges(tasks, grain: 1) { range in
                for task in range {
                    let part = task * stretch..<min((task + 1) * stretch, inner.count)
                    partials[task] = reduceStretch(F.self, source, inner, part)
                }
            }
            var total = F.initial
            for task in 0..<tasks { total = F.combine(total, partials[task]) }
            destination[0] = F.finish(total)
        }
    } else if kept.innerStrides[1] == 1 && kept.innerCount > 1 && inner.innerStrides[0] != 1 {
        reduceColumns(F.self, source, destination, kept, inner)
    } else {
        let step = kept.innerStrides
        parallelRanges(kept.count, grain: max(1, elementGrain / max(inner.count, 1))) { range in
            kept.forEachRun(in: range) { length, offsets in
                for i in 0..<length {
                    let total = reduceStretch(F.self, source + offsets[1] + i * step[1], inner, 0..<inner.count)
                    destination[offsets[0] + i * step[0]] = F.finish(total)
                }
            }
        }
    }
}

/// Reduces the elements `range` of one output's reduced axes, in order.
@inline(never)
private func reduceStretch<F: ReductionFunction>(
    _ function: F.Type, _ source: UnsafeMutablePointer<F.Element>, _ inner: StridedLoop, _ range: Range<Int>
) -> F.Partial {
    var total = F.initial
    let stride = inner.innerStrides[0]
    inner.forEachRun(in: range) { length, offsets in
        let x = source + offsets[0]
        guard stride == 1 && length >= 32 else {
            for i in 0..<length { total = F.combine(total, F.lift(x[i &* stride])) }
            return
        }
        for start in Swift.stride(from: 0, to: length, by: reductionBlock) {
            total = F.combine(total, F.block(x + start, min(reductionBlock, length - start)))
        }
    }
    return total
}

/// Reduction over outer axes: neighbouring outputs are adjacent in memory, so a band of them is accumulated at a time.
@inline(never)
private func reduceColumns<F: ReductionFunction>(
    _ function: F.Type, _ source: UnsafeMutablePointer<F.Element>, _ destination: UnsafeMutablePointer<F.Element>,
    _ kept: StridedLoop, _ inner: StridedLoop
) {
    let band = 256
    let step = inner.innerStrides[0]
    parallelRanges(kept.count, grain: max(64, elementGrain / max(inner.count, 1))) { range in
        withUnsafeTemporaryAllocation(of: F.Partial.self, capacity: band) { totals in
            let totals = totals.baseAddress.unsafelyUnwrapped
            kept.forEachRun(in: range) { length, offsets in
                var start = 0
                while start < length {
                    let width = min(band, length - start)
                    for i in 0..<width { totals[i] = F.initial }
                    let columns = source + offsets[1] + start
                    inner.forEachRun(in: 0..<inner.count) { rows, rowOffsets in
                        for row in 0..<rows {
                            let x = columns + rowOffsets[0] + row * step
                            for i in 0..<width { totals[i] = F.combine(totals[i], F.lift(x[i])) }
                        }
                    }
                    let to = destination + offsets[0] + start * kept.innerStrides[0]
                    for i in 0..<width { to[i * kept.innerStrides[0]] = F.finish(totals[i]) }
                    start += width
                }
            }
        }
    }
}
