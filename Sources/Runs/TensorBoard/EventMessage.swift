import MartletSystem

/// The protocol buffers that TensorBoard reads, encoded by hand: an event with a summary of numbers or text.
///
/// Source: tensorboard/compat/proto, event.proto, summary.proto, tensor.proto; field numbers are given where they are
/// used.
enum EventMessage {
    /// The first event of every file.
    static func version(time: Double) -> [UInt8] {
        var event = ProtobufWriter()
        event.put(1, time)
        event.put(3, text: "brain.Event:2")
        return event.bytes
    }

    /// The numbers of one step. Numbers that are not finite are left out, because charts cannot show them.
    static func scalars(_ values: [(tag: String, value: Double)], step: Int, time: Double) -> [UInt8] {
        summary(
            step: step, time: time,
            values.filter(\.value.isFinite).map { tag, number in
                var value = ProtobufWriter()
                value.put(1, text: tag)
                value.put(2, Float(number))
                return value
            })
    }

    /// A text for TensorBoard's text plugin.
    static func text(_ tag: String, _ text: String, step: Int, time: Double) -> [UInt8] {
        var dimension = ProtobufWriter()
        dimension.put(1, 1 as Int)
        var shape = ProtobufWriter()
        shape.put(2, message: dimension)
        var tensor = ProtobufWriter()
        // DT_STRING
        tensor.put(1, 7 as Int)
        tensor.put(2, message: shape)
        tensor.put(8, text: text)
        var plugin = ProtobufWriter()
        plugin.put(1, text: "text")
        var metadata = ProtobufWriter()
        metadata.put(1, message: plugin)
        // DATA_CLASS_TENSOR
        metadata.put(4, 2 as Int)
        var value = ProtobufWriter()
        value.put(1, text: tag + "/text_summary")
        value.put(8, message: tensor)
        value.put(9, message: metadata)
        return summary(step: step, time: time, [value])
    }

    private static func summary(step: Int, time: Double, _ values: [ProtobufWriter]) -> [UInt8] {
        var summary = ProtobufWriter()
        for value in values { summary.put(1, message: value) }
        var event = ProtobufWriter()
        event.put(1, time)
        event.put(2, step)
        event.put(5, message: summary)
        return event.bytes
    }

    /// The step of an event, 0 if it has none; nil for bytes that are not an event.
    static func step(of bytes: ArraySlice<UInt8>) -> Int? {
        var rest = bytes[...]
        while let key = varint(&rest) {
            switch key {
            case 2 << 3: return varint(&rest).flatMap { Int(exactly: $0) }
            case 1 << 3 | 1: rest = rest.dropFirst(8)
            default:
                guard key & 7 == 2, let count = varint(&rest).flatMap({ Int(exactly: $0) }), count <= rest.count
                else { return nil }
                rest = rest.dropFirst(count)
            }
        }
        return rest.isEmpty ? 0 : nil
    }

    private static func varint(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: 0 as UInt64, to: 64, by: 7) {
            guard let byte = bytes.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}
