import Foundation
import MartletFormats
import MartletJSON
import MartletTensor

/// A small checkpoint of a family whose weights are computed, not stored: see Goldens/make_families.py.
package struct FamilyGolden {
    package static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "ModelsTests/Goldens/families").path
    package static let names: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(".json".count)) }.sorted()

    package enum Kind: Sendable { case decoder, encoder, encoderDecoder, head, decoderHead, masked, pretraining }

    package static func names(_ kind: Kind) -> [String] { names.filter { (try? FamilyGolden($0))?.kind == kind } }

    /// The whole file, where a test has members of its own.
    package let json: JSON
    package let config: JSON
    package let tokens: [Int32]
    package let expected: [Float]
    package let loss: Float?
    package let gradientNorm: Double?
    package let kind: Kind
    /// Of an encoder-decoder: the source, the targets of the loss, and what transformers generates.
    package let source, labels, greedy, beams: [Int32]
    private let tensors: [(name: String, base: Float, shape: [Int])]

    package init(_ name: String) throws {
        let bytes = try Data(contentsOf: URL(filePath: "\(Self.folder)/\(name).json"))
        let json = try JSON(parsing: [UInt8](bytes))
        self.json = json
        config = try json["config"].found("config")
        tokens = try (json["ids"]?.array).found("ids").compactMap { $0.integer.map(Int32.init) }
        expected = try (json["expected"]?.array).found("expected").compactMap { $0.double.map { Float($0) } }
        loss = json["loss"]?.double.map { Float($0) }
        gradientNorm = json["gradient_norm"]?.double
        func ids(_ key: String) -> [Int32] { (json[key]?.array ?? []).compactMap { $0.integer.map(Int32.init) } }
        (source, labels, greedy, beams) = (ids("source"), ids("labels"), ids("greedy"), ids("beams"))
        kind =
            json["head"]?.string == "MaskedLM"
            ? .masked
            : json["head"]?.string == "PreTraining"
                ? .pretraining
                : json["head"] != nil
                    ? json["encoder"]?.bool == true ? .head : .decoderHead
                    : json["encoder"]?.bool == true ? .encoder : source.isEmpty ? .decoder : .encoderDecoder
        tensors = try (json["tensors"]?.array).found("tensors").compactMap { entry in
            guard let members = entry.array, let name = members.first?.string else { return nil }
            let numbers = members.dropFirst().compactMap(\.integer)
            return (name, Float(numbers.first ?? 0), Array(numbers.dropFirst()))
        }
    }

    /// Calls `body` with the path of the checkpoint's folder, which is removed afterwards.
    /// - Parameter more: further tensors, with what their numbers are added to.
    @discardableResult
    package func withFolder<Result>(
        change: (inout JSONObject) -> Void = { _ in }, more: [(name: String, base: Float, shape: [Int])] = [],
        _ body: (String) throws -> Result
    ) throws -> Result {
        let path = NSTemporaryDirectory() + "martlet-family-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try write(folder: path, change: change, more: more)
        return try body(path)
    }

    /// Writes the checkpoint to a folder, which is made.
    package func write(
        folder path: String, change: (inout JSONObject) -> Void = { _ in },
        more: [(name: String, base: Float, shape: [Int])] = []
    ) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        var members = try config.object.found("config")
        change(&members)
        try Data(JSON.object(members).bytes()).write(to: URL(filePath: path + "/config.json"))
        try SafetensorsWriter.write(
            (tensors + more).map { ($0.name, try Self.tensor($0.name, base: $0.base, $0.shape)) },
            to: path + "/model.safetensors")
    }

    /// Element i is base + u / 2 in vectors and u in matrices, u = (top 8 bits of splitmix64(fnv1a(name) + i) − 128) / 256.
    private static func tensor(_ name: String, base: Float, _ shape: [Int]) throws -> Tensor {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let values = (0..<shape.reduce(1, *)).map { index -> Float in
            var z = hash &+ UInt64(index + 1) &* 0x9e37_79b9_7f4a_7c15
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            z ^= z >> 31
            let u = (Float(z >> 56) - 128) / 256
            return shape.count < 2 ? base + u / 2 : u
        }
        return try Tensor(values, shape: Shape(shape))
    }
}

/// A golden file without one of its members.
private struct MissingMember: Error { let name: String }

extension Optional {
    fileprivate func found(_ name: String) throws -> Wrapped {
        guard let self else { throw MissingMember(name: name) }
        return self
    }
}
