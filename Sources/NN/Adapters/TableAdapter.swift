import MartletTensor

/// A small change of an embedding table, with its own parameters.
public protocol TableAdapter: AnyObject {
    var name: String { get }
    var isEnabled: Bool { get set }
    var parameters: [Parameter] { get }
    /// The rows `[ids, size]` that were looked up, already multiplied by `scale`, with the adapter applied.
    func callAsFunction(_ ids: [Int32], _ rows: Tensor, scale: Float) throws -> Tensor
    /// The table `[count, size]` with the adapter merged into it, as float32.
    func merged(_ table: Tensor) throws -> Tensor
}

/// E + s · Aᵀ Bᵀ with A `[rank, count]` and B `[size, rank]`: LoRA of an embedding table, as in PEFT. A is initialised
/// with 0, B with N(0, 1).
public final class LowRankTable: TableAdapter {
    public let name: String
    public var isEnabled = true
    public var scale: Float
    public let down, up: Tensor
    private let key: String

    public init(
        of table: Embedding, down: Tensor, up: Tensor, scale: Float, key: String? = nil, name: String = "default"
    ) throws {
        let rank = down.shape.first ?? 0
        guard down.shape == [rank, table.weight.shape[0]], up.shape == [table.weight.shape[1], rank] else {
            throw ModuleError.wrongShape(
                path: table.path, found: "\(down.shape) and \(up.shape)",
                expected: "[rank, \(table.weight.shape[0])] and [\(table.weight.shape[1]), rank]")
        }
        (self.down, self.up, self.scale, self.key, self.name) = (down, up, scale, key ?? table.path, name)
    }

    public var parameters: [Parameter] {
        [
            Parameter(name: key + ".lora_embedding_A", role: .weight, tensor: down),
            Parameter(name: key + ".lora_embedding_B", role: .weight, tensor: up),
        ]
    }

    public func callAsFunction(_ ids: [Int32], _ rows: Tensor, scale factor: Float) throws -> Tensor {
        let own = try down.indexSelect(1, Tensor(ids.map(Int64.init))).transposed()  // [ids, rank]
        return try rows + own.matmul(up.transposed()) * Double(scale * factor)
    }

    public func merged(_ table: Tensor) throws -> Tensor {
        try table + up.matmul(down).transposed() * Double(scale)
    }
}

/// Replaces some rows of a table, such as those of added tokens, so that only these rows are trained. Where the output
/// projection shares the table, its rows are replaced too (`TrainedRowsOfHead`).
public final class TrainedRows: TableAdapter {
    public let name: String
    public var isEnabled = true
    /// The token ids, and their rows `[ids, size]` in this order.
    public let ids: [Int32]
    public let rows: Tensor
    private let key: String
    private let place: [Int32: Int32]

    public init(of table: Embedding, ids: [Int32], rows: Tensor, key: String? = nil, name: String = "default") throws {
        let count = table.weight.shape[0], size = table.weight.shape[1]
        guard rows.shape == [ids.count, size], ids.allSatisfy({ (0..<count).contains(Int($0)) }),
            Set(ids).count == ids.count
        else {
            throw ModuleError.wrongShape(
                path: table.path, found: "\(rows.shape) for tokens \(ids.prefix(8))",
                expected: "a row of \(size) for each of different tokens below \(count)")
        }
        (self.ids, self.rows, self.key, self.name) = (ids, rows, key ?? table.path, name)
        place = Dictionary(uniqueKeysWithValues: zip(ids, 0..<Int32(ids.count)))
    }

    public var parameters: [Parameter] {
        [Parameter(name: key + ".token_adapter.trainable_tokens_delta", role: .embedding, tensor: rows)]
    }

    public func callAsFunction(_ ids: [Int32], _ found: Tensor, scale: Float) throws -> Tensor {
        let places = ids.indices.filter { place[ids[$0]] != nil }
        guard !places.isEmpty else { return found }
        let own = try Fused.embed(places.compactMap { place[ids[$0]] }, rows, scale: scale)
        return try Self.replace(found, at: places.map { Int32($0) }, by: own)
    }

    public func merged(_ table: Tensor) throws -> Tensor { try Self.replace(table, at: ids, by: rows) }

    /// The matrix with the rows at `places` replaced.
    static func replace(_ matrix: Tensor, at places: [Int32], by rows: Tensor) throws -> Tensor {
        var kept = [Float](repeating: 1, count: matrix.shape[0])
        for place in places { kept[Int(place)] = 0 }
        let rest = try matrix * Tensor(kept, shape: [kept.count, 1]).to(matrix.dtype)
        return try rest + Fused.placeRows(rows, at: places, of: matrix.shape[0])
    }
}

/// Applies the rows of `TrainedRows` to the output projection that shares the table.
public final class TrainedRowsOfHead: LinearAdapter {
    private let table: TrainedRows
    public init(_ table: TrainedRows) { self.table = table }

    public var name: String { table.name }
    public var isEnabled: Bool {
        get { table.isEnabled }
        set { table.isEnabled = newValue }
    }
    /// Empty: the parameters belong to the table.
    public var parameters: [Parameter] { [] }

    public func callAsFunction(_ x: Tensor, _ y: Tensor, _ draw: AdapterDraw?) throws -> Tensor {
        let own = try Fused.linear(x, [(table.rows, nil)])[0]  // [tokens, ids]
        let columns = try Tensor(table.ids.map(Int64.init)).reshape(1, -1).expand([x.shape[0], table.ids.count])
        return try y.scatter(1, columns.contiguous(), own)
    }

    public func merged(_ weight: Tensor, bias: Tensor?) throws -> (weight: Tensor, bias: Tensor?) {
        (try table.merged(weight), bias)
    }
}
