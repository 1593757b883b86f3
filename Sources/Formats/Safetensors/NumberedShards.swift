/// Shards without an index, which their names number: `model-00001-of-00003.safetensors` and those after it.
struct NumberedShards {
    var files: [SafetensorsFile] = []
    var names: [String] = []
    var shardOfTensor: [String: Int] = [:]

    /// Nil where the files are not the shards of one model.
    /// - Parameter files: the names of the folder's files.
    /// - Throws: `FormatError` where a shard is missing, or two have the same tensor.
    init?(folder: String, files names: [String], copying: Bool) throws(FormatError) {
        let parts = names.compactMap(Self.parts)
        guard let first = parts.first, parts.count == names.count,
            parts.allSatisfy({ $0.stem == first.stem && $0.count == first.count })
        else { return nil }
        let found = Set(parts.map(\.number))
        let digits = first.digits
        func name(_ number: Int) -> String {
            func padded(_ value: Int) -> String {
                String(repeating: "0", count: max(digits - String(value).count, 0)) + String(value)
            }
            return "\(first.stem)-\(padded(number))-of-\(padded(first.count)).safetensors"
        }
        // A name may claim any count; there cannot be more missing than a model has shards.
        let missing = (1...first.count).lazy.filter { !found.contains($0) }.prefix(8).map(name)
        guard missing.isEmpty else {
            throw FormatError(
                .missing, path: folder,
                "\(first.count - found.count) of \(first.count) shards are missing: \(list(Array(missing)))")
        }
        for (index, shard) in names.sorted().enumerated() {
            let file = try SafetensorsFile(path: "\(folder)/\(shard)", copying: copying)
            for tensor in file.names {
                guard shardOfTensor.updateValue(index, forKey: tensor) == nil else {
                    throw FormatError(
                        .malformed, path: folder, "\(FormatError.quote(tensor)) is in \(shard) and in a shard before it"
                    )
                }
            }
            self.names += file.names
            files.append(file)
        }
    }

    /// "model-00002-of-00003.safetensors" taken apart.
    private static func parts(_ name: String) -> (stem: String, number: Int, count: Int, digits: Int)? {
        guard name.hasSuffix(".safetensors") else { return nil }
        let pieces = name.dropLast(".safetensors".count).split(separator: "-", omittingEmptySubsequences: false)
        guard pieces.count >= 4, pieces[pieces.count - 2] == "of", let number = Int(pieces[pieces.count - 3]),
            let count = Int(pieces[pieces.count - 1]), 1...100_000 ~= count, 1...count ~= number
        else { return nil }
        return (pieces.dropLast(3).joined(separator: "-"), number, count, pieces[pieces.count - 1].count)
    }
}
