import CKernels

extension PackedMatrix {
    /// W[k · parts + r, i] = scale[r, i] · code[r, k, i] + offset[r, i]: every `parts`-th output has the same scale for an
    /// input, as where groups are of outputs (hqq along axis 0). The packed rows are those of part 0, then of part 1, …, and
    /// a part's product is that of the inputs times its scales:
    ///
    ///     y[k · parts + r] = Σ code[r, k, i] · (scale[r, i] · x[i]) + Σ offset[r, i] · x[i]
    package struct InputScales {
        /// How many parts there are, each of a number of rows that 16 divides.
        package let parts: Int
        /// `[parts, columns]`
        let scales: [Float]
        let offsets: [Float]
        var byteCount: Int { (scales.count + offsets.count) * 4 }

        package init(parts: Int, scales: [Float], offsets: [Float]) {
            (self.parts, self.scales, self.offsets) = (parts, scales, offsets)
        }
    }

    /// Activation rows whose scaled inputs a task holds at once.
    private static let strip = 32

    /// The product where inputs have scales: a part of the rows is a task.
    func multiply(_ x: Tensor, scaledBy inputs: InputScales) -> Tensor {
        let count = x.shape[0], rows = rows, columns = columns, parts = inputs.parts, size = rows / parts
        precondition(size * parts == rows && size % Self.panel == 0, "a part is a whole number of panels")
        let output = Tensor(uninitialized: [count, rows]), panelsOfPart = size / Self.panel
        let kernels = PanelKernels(), form = form, panelBytes = panelBytes
        nonisolated(unsafe) let source = x.floats, y = output.floats, panels = panels.pointer
        ThreadPool.shared.run(parts) { part in
            let strip = min(count, Self.strip)
            let scaled = ScaledInputs(rows: strip, columns: columns), own = Storage(byteCount: strip * size * 4)
            let result = own.pointer.assumingMemoryBound(to: Float.self)
            for first in stride(from: 0, to: count, by: strip) {
                let many = min(strip, count - first)
                inputs.scales.withUnsafeBufferPointer { scales in
                    inputs.offsets.withUnsafeBufferPointer { offsets in
                        let own = part * columns..<(part + 1) * columns
                        scaled.fill(
                            source + first * columns, many, scales: UnsafeBufferPointer(rebasing: scales[own]),
                            offsets: UnsafeBufferPointer(rebasing: offsets[own]), kernels)
                    }
                }
                kernels.multiply(
                    form, panels + part * panelsOfPart * panelBytes, 0, panelsOfPart, scaled.activations(many),
                    into: result, outputs: size)
                for row in 0..<many {
                    let target = y + (first + row) * rows + part
                    for k in 0..<size { target[k * parts] = result[row * size + k] + scaled.sums[row] }
                }
            }
            withExtendedLifetime(own) {}
        }
        withExtendedLifetime((x, self)) {}
        return output
    }
}

/// Inputs times the scales of a part, rounded as products take them, and what its offsets add.
private final class ScaledInputs {
    private let columns: Int
    private let floats, codes, scales, halves: Storage
    private(set) var sums: [Float]

    init(rows: Int, columns: Int) {
        self.columns = columns
        let blocks = columns / PackedMatrix.block
        floats = Storage(byteCount: rows * columns * 4)
        codes = Storage(byteCount: rows * columns * 2)
        scales = Storage(byteCount: rows * blocks * 4)
        halves = Storage(byteCount: rows * blocks * 8)
        sums = [Float](repeating: 0, count: rows)
    }

    /// Eight sums side by side and a fixed tree at their end, as sums over a row are taken.
    func fill(
        _ x: UnsafePointer<Float>, _ rows: Int, scales factors: UnsafeBufferPointer<Float>,
        offsets: UnsafeBufferPointer<Float>, _ kernels: PanelKernels
    ) {
        let target = floats.pointer.assumingMemoryBound(to: Float.self)
        for row in 0..<rows {
            let x = UnsafeRawPointer(x + row * columns), target = UnsafeMutableRawPointer(target + row * columns)
            guard let factors = UnsafeRawBufferPointer(factors).baseAddress,
                let offsets = UnsafeRawBufferPointer(offsets).baseAddress
            else { return }
            var sum = SIMD8<Float>.zero
            for place in stride(from: 0, to: columns * 4, by: 32) {
                let value = x.loadUnaligned(fromByteOffset: place, as: SIMD8<Float>.self)
                let scaled = value * factors.loadUnaligned(fromByteOffset: place, as: SIMD8<Float>.self)
                target.storeBytes(of: scaled, toByteOffset: place, as: SIMD8<Float>.self)
                sum += value * offsets.loadUnaligned(fromByteOffset: place, as: SIMD8<Float>.self)
            }
            let four = sum.lowHalf + sum.highHalf, two = four.lowHalf + four.highHalf
            sums[row] = two[0] + two[1]
        }
        kernels.blocks.quantize(
            target, rows, columns, codes.pointer.assumingMemoryBound(to: Int8.self),
            scales.pointer.assumingMemoryBound(to: Float.self), halves.pointer.assumingMemoryBound(to: Int32.self))
    }

    func activations(_ rows: Int) -> martlet_activations {
        var activations = martlet_activations()
        activations.values = UnsafePointer(floats.pointer.assumingMemoryBound(to: Float.self))
        activations.codes = UnsafePointer(codes.pointer.assumingMemoryBound(to: Int8.self))
        activations.scales = UnsafePointer(scales.pointer.assumingMemoryBound(to: Float.self))
        activations.sums = UnsafePointer(halves.pointer.assumingMemoryBound(to: Int32.self))
        activations.rows = rows
        activations.columns = columns
        return activations
    }
}
