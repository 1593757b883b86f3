import MartletFormats
import MartletJSON
import MartletNN
import MartletSystem
import MartletTensor

/// What a study of features keeps on disk, so that it goes on where it was stopped: the activations in parts, and the state of
/// the autoencoder's training every few hundred steps.
///
/// `study.json` says which model, text and activation the parts are of; another study is refused. The training's file is named
/// after its options, so that several can use the same activations.
public struct FeatureFolder: Sendable {
    public let path: String
    /// Steps of training between two states that are kept.
    package static let stepsBetween = 500
    /// Pieces of the text whose activations are one file.
    package static let piecesOfPart = 16

    /// - Parameters:
    ///   - path: of a folder that is there.
    ///   - identity: what the activations follow from.
    /// - Throws: `InterpretabilityError` where the folder is another study's; what reading and writing throw.
    init(_ path: String, identity: JSONObject) throws {
        self.path = path
        let file = path + "/study.json", own = JSON.object(identity)
        guard Folder.isFile(file) else {
            try AtomicFile.write(file, bytes: own.bytes(indent: 2) + [0x0A])
            return
        }
        guard try JSON(parsing: Folder.read(file)) == own else {
            throw InterpretabilityError.badInput(
                "\(file.quoted()) is of another model, text or activation; choose another folder")
        }
    }

    private func file(ofPart number: Int) -> String {
        let digits = "\(number)"
        return path + "/activations-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits
            + ".safetensors"
    }

    /// Copies a part that is there into its rows.
    /// - Returns: false where it is not there.
    func read(_ number: Int, into rows: Tensor) throws -> Bool {
        let path = file(ofPart: number)
        guard Folder.isFile(path) else { return false }
        let stored = try SafetensorsFile(path: path).tensor("activations")
        guard stored.shape == rows.shape, stored.dtype == rows.dtype else {
            throw InterpretabilityError.badInput(
                "\(path.quoted()) holds \(stored.shape) of \(stored.dtype.name), expected \(rows.shape) of "
                    + "\(rows.dtype.name); delete the file")
        }
        try rows.copy(from: stored)
        return true
    }

    func write(_ number: Int, _ rows: Tensor) throws {
        try SafetensorsWriter.write([("activations", rows)], to: file(ofPart: number))
    }

    private func file(of options: SparseAutoencoder.Options) -> String {
        let text: JSON = [
            .integer(Int64(options.features)), .number(options.penalty), .number(options.learningRate),
            .integer(Int64(options.batch)), .integer(Int64(options.steps)), .integer(Int64(options.seed)),
        ]
        let digits = SHA256.hash(text.bytes()).prefix(6).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return path + "/autoencoder-" + digits.joined() + ".safetensors"
    }

    /// Keeps the state after a step: weights and scale under the names of `SparseAutoencoder.write`, the optimiser's moments
    /// beside them.
    func save(_ autoencoder: SparseAutoencoder, _ optimizer: AdamW, step: Int) throws {
        try SafetensorsWriter.write(
            try autoencoder.weights() + optimizer.state().map { ($0.name, $0.tensor) },
            metadata: ["format": "pt", "step": "\(step)"], to: file(of: autoencoder.options))
    }

    /// Takes up a state that was kept.
    /// - Returns: the steps it has; nil where there is none.
    func restore(_ autoencoder: SparseAutoencoder, _ optimizer: AdamW) throws -> Int? {
        let path = file(of: autoencoder.options)
        guard Folder.isFile(path) else { return nil }
        let stored = try SafetensorsFile(path: path)
        guard let step = stored.metadata["step"].flatMap({ Int($0) }), (0...autoencoder.options.steps).contains(step)
        else {
            throw InterpretabilityError.badInput("\(path.quoted()) has no step of this training; delete the file")
        }
        try autoencoder.take(stored)
        try optimizer.restore(stepCount: step) { stored.entry($0) == nil ? nil : try stored.tensor($0) }
        return step
    }
}
