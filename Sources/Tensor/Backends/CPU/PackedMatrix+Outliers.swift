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

    /// output[token] += Σ x[token, column] · W[:, column] over the token's outliers, in ascending order.
    func addOutliers(
        of x: UnsafePointer<Float>, rows count: Int, by matrices: [PackedMatrix],
        to outputs: [UnsafeMutablePointer<Float>]
    ) {
        guard threshold.isFinite, let columns = matrices.first?.columns else { return }
        var found: [(row: Int, columns: [Int])] = []
        for row in 0..<count {
            let own = (0..<columns).filter { abs(x[row * columns + $0]) >= threshold }
            if !own.isEmpty { found.append((row, own)) }
        }
        guard !found.isEmpty else { return }
        let needed = Set(found.flatMap(\.columns)).sorted()
        for (matrix, output) in zip(matrices, outputs) {
            let floats = matrix.outlierColumns.columns(needed, of: matrix), rows = matrix.rows
            nonisolated(unsafe) let output = output, x = x
            ThreadPool.shared.run(found.count) { index in
                let (row, own) = found[index]
                let target = output + row * rows
                for column in own {
                    guard let weights = floats[column] else { continue }
                    let value = x[row * columns + column]
                    weights.withUnsafeBufferPointer { weights in
                        for output in 0..<rows { target[output] += value * weights[output] }
                    }
                }
            }
        }
    }
}

/// Columns of a matrix as float32. The same few inputs of a layer are outliers in nearly every token.
final class OutlierColumns: Sendable {
    /// Columns that are kept.
    private static let most = 64
    private let kept = Mutex<[Int: [Float]]>([:])

    func columns(_ numbers: [Int], of matrix: PackedMatrix) -> [Int: [Float]] {
        kept.withLock { kept in
            var found: [Int: [Float]] = [:]
            for number in numbers {
                let column = kept[number] ?? matrix.column(number)
                found[number] = column
                if kept.count < Self.most { kept[number] = column }
            }
            return found
        }
    }
}

extension PackedMatrix {
    /// Whether its codes are bytes, as inputs of eight bits need.
    package var holdsBytes: Bool {
        guard case .blocks(let packing) = form else { return false }
        return packing.bits == 8 && packing.parts == 1 && !packing.has_minimum
    }

    /// W[:, index] of a matrix whose codes are bytes.
    func column(_ index: Int) -> [Float] {
        guard case .blocks(let packing) = form, holdsBytes else { return [Float](repeating: 0, count: rows) }
        let width = Self.panel, header = 2 * width + (packing.has_zeros ? width : 0)
        let factors = factors?.pointer.assumingMemoryBound(to: Float.self)
        return (0..<rows).map { row in
            let block = panels.pointer + row / width * panelBytes + index / Self.block * packing.block_bytes
            let lane = row % width
            let scale = Float(Float16(bitPattern: block.load(fromByteOffset: 2 * lane, as: UInt16.self)))
            let zero =
                packing.has_zeros
                ? Int(block.load(fromByteOffset: 2 * width + lane, as: UInt8.self)) : Int(packing.offset)
            let place = header + index % Self.block / 4 * 4 * width + 4 * lane + index % 4
            let code = Int(block.load(fromByteOffset: place, as: UInt8.self))
            return scale * Float(code - zero) * (factors?[row] ?? 1)
        }
    }
}
