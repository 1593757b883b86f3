import MartletJSON
import MartletTensor

/// One operation of tensor_operations.json: operands, arguments and what PyTorch made of them.
struct GoldenCase: CustomStringConvertible {
    let operation: String
    let operands: [Tensor]
    let arguments: JSON
    let expected: [Tensor]
    let number: Int

    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    var description: String {
        "case \(number): \(operation) of \(operands.map { "\($0.dtype.name) \($0.shape)" }) with \(arguments.text())"
    }

    init(_ json: JSON, number: Int) throws {
        guard let operation = json["op"]?.string, let operands = json["in"]?.array, let expected = json["out"]?.array
        else { throw Malformed(description: "case \(number)") }
        self.operation = operation
        self.number = number
        self.operands = try operands.map(Self.tensor)
        self.expected = try expected.map(Self.tensor)
        arguments = json["args"] ?? [:]
    }

    func integer(_ name: String) throws -> Int {
        guard let value = arguments[name]?.integer else { throw Malformed(description: "\(self): no \(name)") }
        return value
    }

    func integers(_ name: String) throws -> [Int] {
        guard let values = arguments[name]?.array else { throw Malformed(description: "\(self): no \(name)") }
        return values.compactMap(\.integer)
    }

    func real(_ name: String) throws -> Double { try Self.real(arguments[name] ?? .null) }

    func flag(_ name: String) -> Bool { arguments[name]?.bool ?? false }

    static func real(_ json: JSON) throws -> Double {
        if let value = json.double { return value }
        switch json.string {
        case "nan": return .nan
        case "inf": return .infinity
        case "-inf": return -.infinity
        default: throw Malformed(description: "no number: \(json.text())")
        }
    }

    private static func tensor(_ json: JSON) throws -> Tensor {
        guard let name = json["t"]?.string, let dtype = DType.allCases.first(where: { $0.name == name }),
            let extents = json["s"]?.array?.compactMap(\.integer), let elements = json["d"]?.array
        else { throw Malformed(description: "tensor \(json.text())") }
        let shape = Shape(extents)
        var tensor =
            dtype.isFloatingPoint
            ? try Tensor(elements.map(real), shape: shape).to(dtype)
            : try Tensor(elements.map { $0.integer ?? 0 }, shape: shape).to(dtype)
        for view in json["v"]?.array ?? [] {
            guard let step = view.array, let word = step.first?.string else { continue }
            let numbers = step.compactMap(\.integer)
            switch word {
            case "transpose": tensor = try tensor.transpose(numbers[0], numbers[1])
            case "slice": tensor = try tensor.slice(numbers[0], from: numbers[1], to: numbers[2], step: numbers[3])
            case "expand": tensor = try tensor.expand(step[1].array?.compactMap(\.integer) ?? [])
            default: throw Malformed(description: "view \(word)")
            }
        }
        return tensor
    }
}
