import Foundation
import MartletFormats
import MartletTensor

/// A folder that goes away with the test.
final class Scratch {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "martlet-formats-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let folder = (file(name) as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }

    func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

    func read(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: file(name)))) }

    func contents() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
}

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension Tensor {
    /// Random bytes of the dtype (0 and 1 for bools).
    static func random(_ shape: Shape, _ dtype: DType, using generator: inout SeededGenerator) -> Tensor {
        Tensor(filling: shape, dtype: dtype) { bytes in
            for index in bytes.indices {
                bytes[index] = UInt8.random(in: 0...(dtype == .bool ? 1 : 255), using: &generator)
            }
        }
    }

    /// As they lie in memory.
    var packedBytes: [UInt8] {
        var all: [UInt8] = []
        forEachHostRun { all += $0 }
        return all
    }
}

/// Whether two tensors are the same bytes under the same type and shape.
func same(_ left: Tensor, _ right: Tensor) -> Bool {
    left.dtype == right.dtype && left.shape == right.shape && left.packedBytes == right.packedBytes
}

/// The error `body` throws, or nil when it throws none.
func failure(_ body: () throws(FormatError) -> Void) -> FormatError? {
    do throws(FormatError) {
        try body()
        return nil
    } catch {
        return error
    }
}

/// Python with the reference packages, where `MARTLET_ORACLE` names a virtual environment.
enum Oracle {
    static let python: String? = ProcessInfo.processInfo.environment["MARTLET_ORACLE"].map { $0 + "/bin/python" }

    /// What the script prints.
    static func run(_ script: String, _ arguments: [String] = []) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python ?? "/usr/bin/false")
        process.arguments = ["-c", script] + arguments
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw FileError(path: "python", reason: "failed: \(text)") }
        return text
    }
}

/// A safetensors file from a header text and data, true or lying.
func safetensors(_ header: String, data: [UInt8] = [], statedLength: UInt64? = nil) -> [UInt8] {
    let text = Array(header.utf8)
    var bytes: [UInt8] = []
    bytes.append(number: statedLength ?? UInt64(text.count))
    return bytes + text + data
}

extension [UInt8] {
    mutating func append(number value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
    mutating func append(text: String) {
        append(number: UInt64(text.utf8.count))
        append(contentsOf: text.utf8)
    }
}

/// A GGUF file whose every field can lie.
struct GGUFBuilder {
    var magic: UInt32 = 0x4655_4747
    var version: UInt32 = 3
    var statedTensors: UInt64?
    var statedMetadata: UInt64?
    var metadata: [[UInt8]] = []
    var tensors: [[UInt8]] = []
    var alignment = 32
    var data: [UInt8] = []

    static func pair(_ key: String, _ type: UInt32, _ value: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(text: key)
        bytes.append(number: type)
        return bytes + value
    }

    mutating func add(
        _ name: String, _ dimensions: [UInt64], type: UInt32 = 0, offset: UInt64, statedRank: UInt32? = nil
    ) {
        var bytes: [UInt8] = []
        bytes.append(text: name)
        bytes.append(number: statedRank ?? UInt32(dimensions.count))
        for dimension in dimensions { bytes.append(number: dimension) }
        bytes.append(number: type)
        bytes.append(number: offset)
        tensors.append(bytes)
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(number: magic)
        bytes.append(number: version)
        bytes.append(number: statedTensors ?? UInt64(tensors.count))
        bytes.append(number: statedMetadata ?? UInt64(metadata.count))
        for part in metadata + tensors { bytes += part }
        while bytes.count % alignment != 0 { bytes.append(0) }
        return bytes + data
    }
}
