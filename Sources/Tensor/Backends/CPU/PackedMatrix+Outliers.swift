import CKernels
import Synchronization

/// Inputs of a product in eight bits, each token (row) with a scale of its own, max|x| / 127: LLM.int8 (Dettmers et al.
/// 2022) and the products that folders of eight-bit weights and activations stand for.
///
/// Numbers of at least the threshold in magnitude are taken out and multiplied in full. The paper takes out the columns that
/// hold such a number anywhere in a batch; here they are those of each token alone, so that a token's result depends on no
/// other.
public struct InputRounding: Sendable, Equatable {
    /// Infinity where nothing is taken out.
    public let threshold: Float

    /// - Parameter threshold: nil or 0 where nothing is taken out.
    public init(threshold: Float? = nil) {
        self.threshold = threshold.map { $0 > 0 ? $0 : .infinity } ?? .infinity
    }

    /// The inputs that are taken out, for each matrix, token by token and in ascending order.
    func outliers(in x: UnsafePointer<Float>, rows count: Int, of matrices: [PackedMatrix]) -> [OutlierList] {
        guard threshold.isFinite, let columns = matrices.first?.columns else { return [] }
        var ofRows = [[Int]](repeating: [], count: count)
        ofRows.withUnsafeMutableBufferPointer { ofRows in
            nonisolated(unsafe) let ofRows = ofRows, x = x
            Fused.forRows(count, width: columns) { range in
                for row in range { ofRows[row] = (0..<columns).filter { abs(x[row * columns + $0]) >= threshold } }
            }
        }
        let found = ofRows.enumerated().flatMap { row, own in own.map { (row: row, column: $0) } }
        guard !found.isEmpty else { return [] }
        let needed = Set(found.map(\.column)).sorted()
        return matrices.map { matrix in
            let floats = matrix.outlierColumns.columns(needed, of: matrix)
            return OutlierList(
                found.map { place in
                    Outlier(
                        row: place.row, column: place.column, value: x[place.row * columns + place.column],
                        weights: floats[place.column].map {
                            UnsafePointer($0.pointer.assumingMemoryBound(to: Float.self))
                        }, matrix: matrix)
                }, floats: Array(floats.values))
        }
    }
}

/// One number of an input that is multiplied in full, by its column of a matrix. It owns nothing.
struct Outlier {
    let row: Int, column: Int
    let value: Float
    /// The column as float32 where that is kept.
    let weights: UnsafePointer<Float>?
    unowned(unsafe) let matrix: PackedMatrix

    /// output[o] += x[token, column] · W[o, column] for some outputs.
    func add(to output: UnsafeMutablePointer<Float>, _ range: Range<Int>) {
        if let weights {
            for index in range { output[index] += value * weights[index] }
        } else {
            matrix.forColumn(column, range) { output[$0] += value * $1 }
        }
    }
}

/// The outliers of one matrix, and what keeps their columns.
final class OutlierList {
    let list: UnsafeBufferPointer<Outlier>
    private let floats: [Storage]

    init(_ outliers: [Outlier], floats: [Storage]) {
        let copy = UnsafeMutableBufferPointer<Outlier>.allocate(capacity: outliers.count)
        _ = copy.initialize(from: outliers)
        list = UnsafeBufferPointer(copy)
        self.floats = floats
    }

    deinit { list.deallocate() }
}

/// Columns of a matrix as float32. The same few inputs of a layer are outliers in nearly every token; columns beyond those
/// that are kept are read from the panels each time.
final class OutlierColumns: Sendable {
    /// Columns that are kept.
    private static let most = 64
    private let kept = Mutex<[Int: Storage]>([:])

    func columns(_ numbers: [Int], of matrix: PackedMatrix) -> [Int: Storage] {
        guard matrix.holdsBytes else { return [:] }
        return kept.withLock { kept in
            for number in numbers where kept.count < Self.most && kept[number] == nil {
                let column = Storage(byteCount: max(matrix.rows, 1) * 4)
                let floats = column.pointer.assumingMemoryBound(to: Float.self)
                matrix.forColumn(number, 0..<matrix.rows) { floats[$0] = $1 }
                kept[number] = column
            }
            return Dictionary(uniqueKeysWithValues: numbers.compactMap { number in kept[number].map { (number, $0) } })
        }
    }
}

extension PackedMatrix {
    /// Whether its codes are bytes, as inputs of eight bits need.
    package var holdsBytes: Bool {
        guard case .blocks(let packing) = form else { return false }
        return packing.bits == 8 && packing.parts == 1 && !packing.has_minimum
    }

    /// Calls `body` with W[row, index] of a matrix whose codes are bytes.
    func forColumn(_ index: Int, _ rows: Range<Int>, _ body: (_ row: Int, _ value: Float) -> Void) {
        guard case .blocks(let packing) = form, holdsBytes else { return }
        let width = Self.panel, header = 2 * width + (packing.has_zeros ? width : 0)
        let factors = factors?.pointer.assumingMemoryBound(to: Float.self)
        for row in rows {
            let block = panels.pointer + row / width * panelBytes + index / Self.block * packing.block_bytes
            let lane = row % width
            let scale = Float(Float16(bitPattern: block.load(fromByteOffset: 2 * lane, as: UInt16.self)))
            let zero =
                packing.has_zeros
                ? Int(block.load(fromByteOffset: 2 * width + lane, as: UInt8.self)) : Int(packing.offset)
            let place = header + index % Self.block / 4 * 4 * width + 4 * lane + index % 4
            let code = Int(block.load(fromByteOffset: place, as: UInt8.self))
            body(row, scale * Float(code - zero) * (factors?[row] ?? 1))
        }
    }
}
