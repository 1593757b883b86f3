import MartletCatalog

/// What `martlet show --tree` tells: every parameter of a model under its path.
struct TreeDescription {
    private struct Row {
        let path, kind, shape, storedType: String
        let bytes: Int
        let isTrained: Bool
    }
    private var rows: [Row] = []
    private let count: Int

    init(_ files: ModelFiles) throws {
        let tree = try files.checkpoint.hasEncoder ? files.checkpoint.encoder().tree : files.decoder().tree
        for leaf in tree.leaves {
            for parameter in leaf.parameters {
                rows.append(
                    Row(
                        path: parameter.path, kind: leaf.kind, shape: "\(parameter.value.shape)",
                        storedType: parameter.value.storedType, bytes: parameter.value.byteCount,
                        isTrained: parameter.isTrained))
            }
        }
        for leaf in tree.leaves {
            let added =
                (leaf as? Linear)?.adapters.flatMap(\.parameters)
                ?? (leaf as? Embedding)?.adapters.flatMap(\.parameters) ?? []
            for parameter in added {
                rows.append(
                    Row(
                        path: parameter.name, kind: "adapter", shape: "\(parameter.tensor.shape)",
                        storedType: parameter.tensor.dtype.name, bytes: parameter.tensor.byteCount, isTrained: false))
            }
        }
        count = tree.parameters.reduce(0) { $0 + $1.count }
    }

    var lines: [String] {
        let bytes = rows.reduce(0) { $0 + $1.bytes }
        return rows.map {
            $0.kind.padding(11) + $0.storedType.padding(6) + $0.shape.padding(16)
                + Terminal.bytes($0.bytes).padding(11) + ($0.isTrained ? "trained  " : "frozen   ") + $0.path
        } + ["\(rows.count) parameters, \(count) numbers, \(Terminal.bytes(bytes))"]
    }

    var json: JSON {
        .array(
            rows.map {
                [
                    "path": .string($0.path), "kind": .string($0.kind), "shape": .string($0.shape),
                    "type": .string($0.storedType), "bytes": .integer(Int64($0.bytes)), "trained": .bool($0.isTrained),
                ]
            })
    }
}
