import MartletJSON

/// A folder of token shards and its share of a run's rows, relative to the shares of the others.
public struct DataPortion: Sendable, Equatable {
    public var folder: String
    public var weight: Double

    public init(_ folder: String, weight: Double = 1) {
        self.folder = folder
        self.weight = weight
    }

    /// As it is written among others: "folder" or "folder=0.3".
    init(text: String) {
        if let cut = text.lastIndex(of: "="), let weight = Double(text[text.index(after: cut)...]) {
            self.init(String(text[..<cut]), weight: weight)
        } else {
            self.init(text)
        }
    }

    private var isUsable: Bool { !folder.isEmpty && weight > 0 && weight <= 1e9 }

    /// The value of the option `data`: one folder as a string, `["a", "b=0.3"]`, or `{"a": 1, "b": 0.3}`. Nil if it is
    /// none of these, if a weight is not a number above 0, or if a folder occurs twice.
    static func all(_ value: JSON) -> [DataPortion]? {
        var portions: [DataPortion] = []
        if let folder = value.string {
            portions = [DataPortion(folder)]
        } else if let texts = value.array {
            for text in texts {
                guard let text = text.string else { return nil }
                portions.append(texts.count == 1 ? DataPortion(text) : DataPortion(text: text))
            }
        } else if let members = value.object {
            for (folder, weight) in members {
                guard let weight = weight.double else { return nil }
                portions.append(DataPortion(folder, weight: weight))
            }
        }
        guard !portions.isEmpty, portions.allSatisfy(\.isUsable), Set(portions.map(\.folder)).count == portions.count
        else { return nil }
        return portions
    }

    /// As a configuration keeps them: a string where it is one folder, else folders with weights.
    static func json(_ portions: [DataPortion]) -> JSON {
        if portions.count == 1 { return .string(portions[0].folder) }
        return .object(JSONObject(portions.map { ($0.folder, .number($0.weight)) }))
    }
}
