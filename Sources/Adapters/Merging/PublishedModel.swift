import MartletModels
import MartletNN
import MartletTensor

/// A model's parameters by the names and in the shapes of its family's folders: what files hold joined is joined again.
///
/// The model is one that was opened in that form: `Checkpoint.publishedDecoder`.
public enum PublishedModel {
    /// - Parameter type: of matrices; vectors stay float32 where it is nil.
    public static func tensors(_ decoder: Decoder, as type: DType? = nil) throws -> [(String, Tensor)] {
        let configuration = decoder.configuration
        guard let family = Family.named(configuration.family) else {
            throw AdapterError(.unsupported, "the family \(configuration.family) has no published names")
        }
        var whole: [(name: String, parts: [Part])] = []
        func add(_ name: String, _ part: Part) {
            if let index = whole.firstIndex(where: { $0.name == name }) {
                whole[index].parts.append(part)
            } else {
                whole.append((name, [part]))
            }
        }
        for parameter in decoder.tree.parameters {
            let place = family.publishedPlaces(parameter.path, configuration).first ?? .tensor(parameter.path)
            switch place {
            case .tensor(let name): add(name, Part(value: parameter.value, place: 0, kind: .whole))
            case .converted(let name, let conversion):
                add(name, Part(value: parameter.value, place: 0, kind: .converted(conversion)))
            case .latentHeads(let name, _):
                throw AdapterError(
                    .unsupported,
                    "\(parameter.path) lies in two tensors of a GGUF file, as \(name): open it in its published form")
            case .rows(let name, _, let part): add(name, Part(value: parameter.value, place: part, kind: .rows))
            case .groupedRows(let name, let groups, _, let part):
                add(name, Part(value: parameter.value, place: part, kind: .groups(groups)))
            case .transposedColumns(let name, _, let part):
                add(name, Part(value: parameter.value, place: part, kind: .columns))
            case .expert(let name, let index): add(name, Part(value: parameter.value, place: index, kind: .expert))
            case .expertPart(let name, let index, let part):
                let place = index * part.share.count + part.share.part
                add(name, Part(value: parameter.value, place: place, kind: .expertPart(part)))
            }
        }
        return try whole.map { name, parts in
            let values = try parts.sorted { $0.place < $1.place }.map { part in
                let value = try part.float32()
                return part.kind == .columns && value.rank == 2 ? try value.transposed().contiguous() : value
            }
            let joined =
                switch parts[0].kind {
                case .whole: values[0]
                case .converted(let conversion): try conversion.made(of: values[0])
                case .rows: try Tensor.concatenate(values)
                case .groups(let groups): try WeightPlace.grouped(values, groups: groups)
                case .columns: try Tensor.concatenate(values, axis: values[0].rank - 1)
                case .expert: try Tensor.stack(values)
                case .expertPart(let layout):
                    try layout.stacked(
                        stride(from: 0, to: values.count, by: layout.share.count).map {
                            try layout.joined(Array(values[$0..<$0 + layout.share.count]))
                        })
                }
            guard let type, joined.rank > 1 else { return (name, joined) }
            return (name, try joined.to(type))
        }
    }

    private struct Part {
        enum Kind: Equatable {
            case whole, rows, groups(Int), columns, expert, expertPart(ExpertPart), converted(WeightConversion)
        }
        let value: any WeightMatrix
        let place: Int
        let kind: Kind

        func float32() throws -> Tensor {
            if let tensor = value as? Tensor, tensor.rank == 1 { return try tensor.detach().to(.float32) }
            return try value.float32Matrix().detach()
        }
    }
}
