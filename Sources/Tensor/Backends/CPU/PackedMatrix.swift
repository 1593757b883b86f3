import CKernels

/// A constant weight matrix `[rows, columns]`, packed once into panels so that a product with one activation row is
/// limited by memory bandwidth and a product with many rows by arithmetic. See `martlet_quantized.h`, `martlet_levels.h` and
/// `martlet_coded.h` for the layouts.
///
/// Every output element is one chain of operations over the columns in ascending order, so a row of the result has the
/// same bits whatever other rows are computed with it.
public final class PackedMatrix: @unchecked Sendable {
    public let rows: Int
    public let columns: Int
    /// Bytes read for a product with one activation row.
    public var byteCount: Int { panelByteCount + (groupOffsets?.matrix.byteCount ?? 0) + (inputScales?.byteCount ?? 0) }
    private let panelByteCount: Int
    /// The columns of the matrix as it was given, in the order they are packed in; nil where that is their own. Set before
    /// the first product.
    package var columnOrder: [Int32]? { didSet { noteParts() } }
    /// What each row of the result is multiplied with; nil where that is nothing. Set before the first product.
    package var rowFactors: [Float]? {
        didSet {
            factors = rowFactors.map { list in
                let storage = Storage(byteCount: max(list.count, 1) * 4)
                list.withUnsafeBytes {
                    if let base = $0.baseAddress { storage.pointer.copyMemory(from: base, byteCount: $0.count) }
                }
                return storage
            }
        }
    }
    /// The same where tasks read them.
    private(set) var factors: Storage?
    /// Numbers that are added to all weights of a group of columns; nil where there are none. Set before the first product.
    package var groupOffsets: GroupOffsets? { didSet { noteParts() } }
    /// Numbers that inputs are multiplied with before the product, others for each part of the rows; nil where there are
    /// none. Set before the first product.
    package var inputScales: InputScales? { didSet { noteParts() } }
    /// How its inputs are rounded; nil for 16 bits in blocks. Of matrices with codes of bytes. Set before the first product.
    package var inputRounding: InputRounding? { didSet { noteParts() } }
    /// Columns as float32 that inputs with outliers have met.
    let outlierColumns = OutlierColumns()
    /// Whether the product's input is the one that was given, rounded as usual, and nothing is added to its result: what every
    /// product looks at.
    private var isPlain = true
    private func noteParts() {
        isPlain = columnOrder == nil && groupOffsets == nil && inputScales == nil && inputRounding == nil
    }

    /// Whether sums of a float32 matrix's products are kept in float64, and rounded once at their end. Set before the first
    /// product; without effect on other matrices.
    package var sumsInFloat64 = false {
        didSet {
            guard case .blocks(var packing) = form, packing.bits == 0, packing.float_type == MARTLET_F32 else { return }
            packing.sums_in_double = sumsInFloat64
            form = .blocks(packing)
        }
    }

    /// How the panels lie.
    enum Form {
        /// Blocks of integers, or plain floats.
        case blocks(martlet_packing)
        /// Floats of eight bits.
        case coded(martlet_coded)
        /// Codes of four bits that are indices of 16 numbers.
        case levels(martlet_levels)

        /// Whether a product takes activations as integers.
        var takesIntegers: Bool {
            switch self {
            case .blocks(let packing): packing.bits != 0
            case .coded: false
            case .levels: true
            }
        }
    }
    private(set) var form: Form
    let panels: Storage
    let panelBytes: Int
    private var panelCount: Int { (rows + Self.panel - 1) / Self.panel }

    static let panel = Int(MARTLET_PANEL)
    static let block = Int(MARTLET_BLOCK)

    /// Panels that `pack` fills, each of 16 rows from a first row on.
    init(
        rows: Int, columns: Int, form: Form, panelBytes: Int,
        pack: (_ firstRow: Int, _ rows: Int, _ panel: UnsafeMutableRawPointer) -> Void
    ) {
        let count = (rows + Self.panel - 1) / Self.panel
        self.rows = rows
        self.columns = columns
        self.form = form
        self.panelBytes = panelBytes
        panelByteCount = panelBytes * count
        panels = Storage(packed: panelByteCount)
        let target = panels.pointer
        // A task packs a few panels: few enough that all threads get work, enough to outweigh the cost of a task.
        let share = max(1, 65_536 / max(panelBytes, 1))
        ThreadPool.shared.run((count + share - 1) / share) { task in
            for index in (task * share)..<min((task + 1) * share, count) {
                let first = index * Self.panel
                pack(first, min(Self.panel, rows - first), target + index * panelBytes)
            }
        }
    }

    /// - Parameters:
    ///   - weight: `[rows, columns]`, contiguous, of a type that weights are stored in.
    ///   - exact: dequantise to float32 instead of keeping the stored format.
    /// - Throws: `TensorError` when the tensor is not a matrix or its type is not a weight type.
    public convenience init(_ weight: Tensor, exact: Bool) throws(TensorError) {
        guard weight.rank == 2, weight.isContiguous else {
            throw TensorError(.shape, "pack", "needs a contiguous matrix, got \(weight.shape)")
        }
        let type = martlet_type(rawValue: weight.dtype.rawValue)
        var packing = martlet_packing()
        let exact = exact || !Self.hasScalesInReach(weight)
        guard weight.shape[1] % weight.dtype.blockLength == 0, martlet_packing_of(type, exact, &packing) else {
            throw TensorError(.dtype, "pack", "\(weight.dtype.name) \(weight.shape) cannot be packed for products")
        }
        let rows = weight.shape[0], columns = weight.shape[1], source = UnsafeRawPointer(weight.pointer)
        let rowBytes = columns / weight.dtype.blockLength * weight.dtype.blockByteCount, form = packing
        self.init(
            rows: rows, columns: columns, form: .blocks(packing), panelBytes: martlet_panel_bytes(&packing, columns)
        ) { first, count, panel in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { scratch in
                var packing = form
                guard let base = scratch.baseAddress else { return }
                martlet_pack_panel(type, &packing, source + first * rowBytes, rowBytes, count, columns, panel, base)
            }
        }
        // The stored form is not read again, except for the rows of an embedding table.
        weight.storage.evict(weight.byteOffset..<(weight.byteOffset + rows * rowBytes))
    }

    /// Whether the scales of the matrix fit half precision, in which panels store them. Only MXFP4 has a wider range.
    private static func hasScalesInReach(_ weight: Tensor) -> Bool {
        guard weight.dtype == .mxfp4 else { return true }
        // Scales 2^(e − 128) within half precision, 2⁻²⁴ … 2¹⁵; the levels are stored doubled.
        return (0..<weight.elementCount / 32).allSatisfy { block in
            (104...143).contains(weight.pointer.load(fromByteOffset: block * 17, as: UInt8.self))
        }
    }

    /// x Wᵀ for several matrices over one input x `[count, columns]`: a result `[count, rows]` for each.
    package static func multiply(_ x: Tensor, by matrices: [PackedMatrix]) throws(TensorError) -> [Tensor] {
        try Fused.check("multiply", x)
        guard x.rank == 2, matrices.allSatisfy({ $0.columns == x.shape[1] }) else {
            throw TensorError(
                .shape, "multiply", "matrices of \(matrices.map(\.columns)) columns do not fit \(x.shape)")
        }
        guard matrices.allSatisfy({ $0.isPlain }) else { return multiplyRearranged(x, by: matrices) }
        return product(x, by: matrices, nil)
    }

    static func product(_ x: Tensor, by matrices: [PackedMatrix], _ rounding: InputRounding?) -> [Tensor] {
        let outputs = matrices.map { Tensor(uninitialized: [x.shape[0], $0.rows]) }
        multiply(x.floats, rows: x.shape[0], by: matrices, into: outputs.map(\.floats), rounding: rounding)
        return outputs
    }

    /// y = x Wᵀ for several matrices over one input: one quantisation of x, one fork-join.
    /// - Parameters:
    ///   - x: `[count, columns]`, contiguous.
    ///   - outputs: for each matrix `[count, rows]`, contiguous.
    ///   - rounding: nil for 16 bits in blocks.
    static func multiply(
        _ x: UnsafePointer<Float>, rows count: Int, by matrices: [PackedMatrix],
        into outputs: [UnsafeMutablePointer<Float>], rounding: InputRounding? = nil
    ) {
        guard let columns = matrices.first?.columns, count > 0 else { return }
        precondition(matrices.allSatisfy { $0.columns == columns }, "the matrices share their input")
        let kernels = PanelKernels()
        let quantizes = matrices.contains { $0.form.takesIntegers }
        let blocks = quantizes ? columns / block : 0
        let scales = count * columns * 2, sums = scales + count * blocks * 4
        let buffer = Storage(byteCount: quantizes ? sums + count * blocks * 8 : 64)
        var activations = martlet_activations()
        activations.values = x
        activations.rows = count
        activations.columns = columns
        if quantizes {
            let codes = buffer.pointer.assumingMemoryBound(to: Int8.self)
            let scales = (buffer.pointer + scales).assumingMemoryBound(to: Float.self)
            let sums = (buffer.pointer + sums).assumingMemoryBound(to: Int32.self)
            activations.codes = UnsafePointer(codes)
            activations.scales = UnsafePointer(scales)
            activations.sums = UnsafePointer(sums)
            activations.has_high_digits_only = rounding != nil
            Fused.forRows(count, width: columns) { range in
                let x = x + range.lowerBound * columns, codes = codes + range.lowerBound * columns * 2
                let scales = scales + range.lowerBound * blocks, sums = sums + range.lowerBound * blocks * 2
                if let rounding {
                    kernels.blocks.quantize_tokens(x, range.count, columns, rounding.threshold, codes, scales, sums)
                } else {
                    kernels.blocks.quantize(x, range.count, columns, codes, scales, sums)
                }
            }
        }
        // Tasks of about equal bytes of weights; each is a run of panels of one matrix.
        let total = matrices.reduce(0) { $0 + $1.byteCount }
        let target = max(32_768, total / (ThreadPool.shared.workerCount * 8) + 1)
        var tasks: [PanelTask] = []
        // What a rounding takes out is multiplied by the task whose panels it meets.
        let outliers = rounding.map { $0.outliers(in: x, rows: count, of: matrices) } ?? []
        for (number, (matrix, output)) in zip(matrices, outputs).enumerated() {
            let step = matrix.form.takesIntegers ? 2 : 4
            let share = max(step, (target / max(matrix.panelBytes, 1) + 1) / step * step)
            for first in stride(from: 0, to: matrix.panelCount, by: share) {
                tasks.append(
                    PanelTask(
                        form: matrix.form, panels: matrix.panels.pointer,
                        factors: matrix.factors?.pointer.assumingMemoryBound(to: Float.self),
                        outliers: outliers.isEmpty ? nil : outliers[number].list, output: output,
                        outputs: matrix.rows, first: first, last: min(first + share, matrix.panelCount)))
            }
        }
        tasks.withUnsafeBufferPointer { tasks in
            guard let start = tasks.baseAddress else { return }
            var region = PanelRegion(tasks: start, activations: activations, kernels: kernels)
            withUnsafeMutablePointer(to: &region) { region in
                ThreadPool.shared.run(tasks.count, context: region) { region, index in
                    region?.assumingMemoryBound(to: PanelRegion.self).pointee.run(index)
                }
            }
        }
        withExtendedLifetime((matrices, buffer, outliers)) {}
    }
}

/// A run of panels of one matrix. Like its region it owns nothing: what threads share is not counted by each of them.
private struct PanelTask {
    let form: PackedMatrix.Form
    let panels: UnsafeMutableRawPointer
    /// For each row of the matrix.
    let factors: UnsafePointer<Float>?
    let outliers: UnsafeBufferPointer<Outlier>?
    let output: UnsafeMutablePointer<Float>
    let outputs: Int
    let first, last: Int
}

/// The products of one instruction set.
struct PanelKernels {
    let blocks = martlet_kernels_active().pointee.quantized
    let coded = martlet_kernels_active().pointee.coded
    let levels = martlet_kernels_active().pointee.levels

    /// y = x Wᵀ for panels first ..< last, on this thread.
    func multiply(
        _ form: PackedMatrix.Form, _ panels: UnsafeMutableRawPointer, _ first: Int, _ last: Int,
        _ activations: martlet_activations, into output: UnsafeMutablePointer<Float>, outputs: Int
    ) {
        let needed = martlet_multiply_scratch(activations.columns)
        func product(_ scratch: UnsafeMutableRawPointer) {
            var activations = activations
            switch form {
            case .blocks(var packing):
                blocks.multiply(&packing, panels, first, last, &activations, output, outputs, outputs, scratch)
            case .levels(var form):
                levels.multiply(&form, panels, first, last, &activations, output, outputs, outputs, scratch)
            case .coded(var form):
                guard let x = activations.values else { return }
                coded.multiply(&form, panels, first, last, x, activations.rows, output, outputs, outputs, scratch)
            }
        }
        if let scratch = martlet_thread_scratch(needed) { return product(scratch) }
        withUnsafeTemporaryAllocation(byteCount: needed, alignment: 64) { scratch in
            if let scratch = scratch.baseAddress { product(scratch) }
        }
    }
}

/// The products of one fork-join.
private struct PanelRegion {
    let tasks: UnsafePointer<PanelTask>
    let activations: martlet_activations
    let kernels: PanelKernels

    func run(_ index: Int) {
        let task = tasks[index], width = Int(MARTLET_PANEL), outputs = task.outputs
        kernels.multiply(
            task.form, task.panels, task.first, task.last, activations, into: task.output, outputs: outputs)
        let range = task.first * width..<min(task.last * width, outputs)
        if let factors = task.factors {
            for row in 0..<activations.rows {
                for output in range { task.output[row * outputs + output] *= factors[output] }
            }
        }
        for outlier in task.outliers ?? UnsafeBufferPointer(start: nil, count: 0) {
            outlier.add(to: task.output + outlier.row * outputs, range)
        }
    }
}
