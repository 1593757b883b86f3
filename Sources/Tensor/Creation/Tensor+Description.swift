#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Tensors as text, in PyTorch's format: nested brackets, aligned columns, four decimals, the middle of long axes
/// omitted.
extension Tensor: CustomStringConvertible {
    public var description: String {
        if dtype.isQuantized { return "Tensor(shape: \(shape), dtype: \(dtype.name))" }
        var cells: [String] = []
        let long = elementCount > 1000
        let kept = keptIndices(long)
        collect(0, 0, kept, &cells)
        let width = cells.reduce(0) { Swift.max($0, $1.utf8.count) }
        var next = cells.makeIterator()
        var text = elementCount == 0 ? "[]" : ""
        if elementCount > 0 { render(0, kept, width, &next, &text) }
        let suffix = elementCount == 0 || long ? ", shape: \(shape)" : ""
        return "Tensor(\(text)\(suffix), dtype: \(dtype.name))"
    }

    /// The indices shown along each axis: all, or the first and last three.
    private func keptIndices(_ long: Bool) -> [[Int]] {
        shape.map { extent in
            long && extent > 6 ? [0, 1, 2, extent - 3, extent - 2, extent - 1] : Array(0..<extent)
        }
    }

    private func collect(_ axis: Int, _ offset: Int, _ kept: [[Int]], _ cells: inout [String]) {
        if axis == rank {
            cells.append(cell(offset))
            return
        }
        for index in kept[axis] { collect(axis + 1, offset + index * strides[axis], kept, &cells) }
    }

    private func render(
        _ axis: Int, _ kept: [[Int]], _ width: Int, _ cells: inout IndexingIterator<[String]>, _ text: inout String
    ) {
        if axis == rank {
            let cell = cells.next() ?? ""
            text += String(repeating: " ", count: width - cell.utf8.count) + cell
            return
        }
        text += "["
        let indent = String(repeating: " ", count: "Tensor(".count + axis + 1)
        let separator = axis == rank - 1 ? ", " : ",\n" + (rank - axis > 2 ? "\n" : "") + indent
        for (place, index) in kept[axis].enumerated() {
            if place > 0 { text += separator }
            if place > 0 && index != kept[axis][place - 1] + 1 { text += "..." + separator }
            render(axis + 1, kept, width, &cells, &text)
        }
        text += "]"
    }

    private func cell(_ offset: Int) -> String {
        switch dtype {
        case .float32: Self.decimal(Double(pointer(as: Float.self)[offset]))
        case .float64: Self.decimal(pointer(as: Double.self)[offset])
        case .float16: Self.decimal(Double(pointer(as: HalfBits.self)[offset].float))
        case .bfloat16: Self.decimal(Double(pointer(as: BrainBits.self)[offset].float))
        case .bool: pointer(as: UInt8.self)[offset] != 0 ? "true" : "false"
        case .int8: String(pointer(as: Int8.self)[offset])
        case .int16: String(pointer(as: Int16.self)[offset])
        case .int32: String(pointer(as: Int32.self)[offset])
        case .int64: String(pointer(as: Int64.self)[offset])
        default: String(pointer(as: UInt8.self)[offset])
        }
    }

    /// Four decimals, or exponent notation for numbers too small or too large for that.
    private static func decimal(_ value: Double) -> String {
        if value.isNaN || value.isInfinite { return "\(value)" }
        let size = value.magnitude
        let format = size != 0 && (size < 1e-4 || size >= 1e8) ? "%.4e" : "%.4f"
        var buffer = [CChar](repeating: 0, count: 64)
        let length = withVaList([value]) { vsnprintf(&buffer, buffer.count, format, $0) }
        return String(decoding: buffer.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
