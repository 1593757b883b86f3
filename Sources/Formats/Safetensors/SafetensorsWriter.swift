import MartletJSON
import MartletTensor

/// Writes `.safetensors` files and sharded folders, each file atomically.
public enum SafetensorsWriter {
    /// Writes one file. The bytes lie in the order the reference writer uses: widest type first, then by name, so
    /// that every tensor is aligned to its element.
    ///
    /// - Parameter metadata: goes to `__metadata__`; `["format": "pt"]` is what transformers insists on.
    public static func write(
        _ tensors: [(String, Tensor)], metadata: [String: String] = ["format": "pt"], to path: String
    ) throws(FormatError) {
        let plan = try Plan(tensors, metadata: metadata, path: path)
        do throws(FileError) { try plan.write(to: path) } catch { throw FormatError(error) }
    }

    /// Writes a folder: `model.safetensors` when everything fits into `maximumShardByteCount`, else shards
    /// `model-00001-of-0000n.safetensors`, filled in the order given, and their index. Weights that an earlier write
    /// left in the folder are removed last, when the new ones are complete.
    public static func write(
        _ tensors: [(String, Tensor)], metadata: [String: String] = ["format": "pt"], toFolder folder: String,
        maximumShardByteCount: Int = 5_000_000_000
    ) throws(FormatError) {
        var shards: [[(String, Tensor)]] = [[]]
        var filled = 0, total = 0
        for (name, tensor) in tensors {
            let size = tensor.dtype.byteCount(of: tensor.elementCount) ?? 0
            if filled > 0, filled + size > maximumShardByteCount {
                shards.append([])
                filled = 0
            }
            shards[shards.count - 1].append((name, tensor))
            filled += size
            total += size
        }
        // All shards are checked before any is written, and names across them.
        _ = try Plan(tensors, metadata: metadata, path: folder)
        let old = (try? ShardIndex(path: "\(folder)/\(SafetensorsFolder.indexName)"))?.shards ?? []
        var stale = Set(old)
        if shards.count == 1 {
            try write(tensors, metadata: metadata, to: "\(folder)/\(SafetensorsFolder.singleName)")
            stale.insert(SafetensorsFolder.indexName)
        } else {
            var map: [(key: String, value: JSON)] = []
            for (number, shard) in shards.enumerated() {
                let file = "model-\(fiveDigits(number + 1))-of-\(fiveDigits(shards.count)).safetensors"
                try write(shard, metadata: metadata, to: "\(folder)/\(file)")
                stale.remove(file)
                for (name, _) in shard { map.append((name, .string(file))) }
            }
            let index: JSON = .object(
                JSONObject([
                    (key: "metadata", value: ["total_size": .integer(Int64(total))]),
                    (key: "weight_map", value: .object(JSONObject(map))),
                ]))
            do throws(FileError) {
                try AtomicFile.write(
                    "\(folder)/\(SafetensorsFolder.indexName)", bytes: index.bytes(indent: 2) + [0x0A])
            } catch {
                throw FormatError(error)
            }
            stale.insert(SafetensorsFolder.singleName)
        }
        for name in stale { Folder.remove("\(folder)/\(name)") }
    }

    /// A tensor that is made when it is written.
    public struct Planned: Sendable {
        public let name: String
        public let shape: Shape
        public let dtype: DType
        /// What the file calls the type, where bytes stand for something else: "F8_E4M3".
        public let typeName: String
        public let make: @Sendable () throws -> Tensor

        public init(
            name: String, shape: Shape, dtype: DType, typeName: String? = nil,
            make: @escaping @Sendable () throws -> Tensor
        ) {
            self.name = name
            self.shape = shape
            self.dtype = dtype
            self.typeName = typeName ?? dtype.name
            self.make = make
        }
    }

    /// Writes a folder as the other function does, of tensors that are made one after the other, so that they never
    /// stand in memory together.
    /// - Parameter progress: called before each tensor with how many are done.
    public static func write(
        _ planned: [Planned], metadata: [String: String] = ["format": "pt"], toFolder folder: String,
        maximumShardByteCount: Int = 5_000_000_000, progress: (Int) throws -> Void = { _ in }
    ) throws {
        var shards: [[Planned]] = [[]], filled = 0, total = 0, done = 0
        for plan in planned {
            let size = plan.dtype.byteCount(of: plan.shape.elementCount) ?? 0
            if filled > 0, filled + size > maximumShardByteCount {
                shards.append([])
                filled = 0
            }
            shards[shards.count - 1].append(plan)
            filled += size
            total += size
        }
        _ = try Plan.head(planned.map { ($0.name, $0.shape, $0.dtype, $0.typeName) }, metadata, folder)
        var map: [(key: String, value: JSON)] = []
        for (number, shard) in shards.enumerated() {
            let single = shards.count == 1
            let file =
                single
                ? SafetensorsFolder.singleName
                : "model-\(fiveDigits(number + 1))-of-\(fiveDigits(shards.count)).safetensors"
            let sorted = Plan.sorted(shard) { ($0.name, $0.dtype) }
            let head = try Plan.head(sorted.map { ($0.name, $0.shape, $0.dtype, $0.typeName) }, metadata, folder)
            do {
                let pending = try PendingFile("\(folder)/\(file)")
                try pending.writer.write(head)
                for plan in sorted {
                    try progress(done)
                    let tensor = try plan.make()
                    guard tensor.dtype == plan.dtype, tensor.shape == plan.shape else {
                        throw FormatError(
                            .malformed, path: folder, field: "tensor \(FormatError.quote(plan.name))",
                            "became \(tensor.dtype.name) \(tensor.shape), not \(plan.dtype.name) \(plan.shape)")
                    }
                    try pending.writer.write(contiguous: tensor)
                    map.append((plan.name, .string(file)))
                    done += 1
                }
                try pending.commit()
            } catch let error as FileError {
                throw FormatError(error)
            }
        }
        guard shards.count > 1 else { return }
        let index: JSON = .object(
            JSONObject([
                (key: "metadata", value: ["total_size": .integer(Int64(total))]),
                (key: "weight_map", value: .object(JSONObject(map))),
            ]))
        do throws(FileError) {
            try AtomicFile.write("\(folder)/\(SafetensorsFolder.indexName)", bytes: index.bytes(indent: 2) + [0x0A])
        } catch {
            throw FormatError(error)
        }
    }

    private static func fiveDigits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }

    /// A checked file: header and the order of the bytes.
    private struct Plan {
        var head: [UInt8]
        var ordered: [Tensor]

        init(_ tensors: [(String, Tensor)], metadata: [String: String], path: String) throws(FormatError) {
            let sorted = Self.sorted(tensors) { ($0.0, $0.1.dtype) }
            head = try Self.head(sorted.map { ($0.0, $0.1.shape, $0.1.dtype, $0.1.dtype.name) }, metadata, path)
            ordered = sorted.map(\.1)
        }

        /// Widest type first, then by name.
        static func sorted<Item>(_ items: [Item], by key: (Item) -> (name: String, dtype: DType)) -> [Item] {
            items.sorted { a, b in
                let a = key(a), b = key(b), left = a.dtype.blockByteCount, right = b.dtype.blockByteCount
                return left == right ? a.name.utf8.lexicographicallyPrecedes(b.name.utf8) : left > right
            }
        }

        static func head(
            _ sorted: [(name: String, shape: Shape, dtype: DType, typeName: String)], _ metadata: [String: String],
            _ path: String
        ) throws(FormatError) -> [UInt8] {
            var seen: Set<String> = []
            for (name, _, dtype, _) in sorted {
                let field = "tensor \(FormatError.quote(name))"
                guard SafetensorsHeader.supported[dtype.name] != nil else {
                    throw FormatError(
                        .unsupported, path: path, field: field,
                        "has type \(dtype.name), which safetensors cannot hold; dequantise it or write GGUF")
                }
                guard name != "__metadata__", seen.insert(name).inserted else {
                    throw FormatError(.malformed, path: path, field: field, "appears twice or is a reserved name")
                }
            }
            var members: [(key: String, value: JSON)] = []
            if !metadata.isEmpty {
                let pairs = metadata.sorted { $0.key < $1.key }.map { (key: $0.key, value: JSON.string($0.value)) }
                members.append(("__metadata__", .object(JSONObject(pairs))))
            }
            var position: Int64 = 0
            for (name, shape, dtype, typeName) in sorted {
                let end = position + Int64(shape.elementCount * dtype.blockByteCount)
                members.append(
                    (
                        name,
                        [
                            "dtype": .string(typeName),
                            "shape": .array(shape.map { .integer(Int64($0)) }),
                            "data_offsets": [.integer(position), .integer(end)],
                        ]
                    ))
                position = end
            }
            var json = JSON.object(JSONObject(members)).bytes()
            while json.count % 8 != 0 { json.append(0x20) }
            guard json.count <= SafetensorsHeader.maximumByteCount else {
                throw FormatError(.unsupported, path: path, field: "header", "takes \(json.count) bytes, too many")
            }
            return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
        }

        func write(to path: String) throws(FileError) {
            try AtomicFile.write(path) { (file) throws(FileError) in
                try file.write(head)
                for tensor in ordered { try file.write(contiguous: tensor) }
            }
        }
    }
}

extension FileWriter {
    /// The elements in row-major order, gathered row by row when they do not lie that way.
    package func write(contiguous tensor: Tensor) throws(FileError) {
        try tensor.forEachHostRun { (bytes) throws(FileError) in try write(bytes) }
    }
}
