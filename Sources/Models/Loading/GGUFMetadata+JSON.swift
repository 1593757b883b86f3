import MartletFormats
import MartletJSON

extension GGUFMetadata {
    /// A scalar value or an array of numbers as JSON; nil if the key is absent or has another type.
    func json(_ key: String) -> JSON? {
        guard let value = self[key] else { return nil }
        if let flag = value.bool { return .bool(flag) }
        if let text = value.string { return .string(text) }
        if let integer = value.integer { return .integer(Int64(integer)) }
        if let number = value.double { return .number(number) }
        // Some files store one head count per layer: a single number if they are all equal.
        if let numbers = value.array?.integers(), let first = numbers.first, numbers.allSatisfy({ $0 == first }) {
            return .integer(Int64(first))
        }
        return nil
    }
}
