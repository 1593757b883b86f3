import MartletAdapters
import MartletFormats
import MartletJSON
import MartletNN
import MartletSystem
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The state of a run at the end of a step: a folder that is a model in its own right (config.json, model.safetensors,
/// tokenizer files), with what only training needs beside it, and a manifest written last, which has the size and the
/// XXH64 of every file. A folder without a manifest whose files have the sizes it names is no checkpoint; the hashes are
/// compared before training goes on from one.
///
/// ```swift
/// let (usable, broken) = TrainingCheckpoint.list(run: "runs/first")
/// for checkpoint in usable { print(checkpoint.step, checkpoint.path) }
/// for (path, why) in broken { print(path, why) }
/// ```
public struct TrainingCheckpoint: Sendable {
    public let path: String
    public let step: Int
    /// trainer_state.json
    public let state: JSON

    static let manifestName = "manifest.json"
    /// The parameters themselves, where the model is their average or rounded.
    static let weightsName = "weights.safetensors"
    static let modelName = "model.safetensors"
    /// In its place, of a run that trains an adapter.
    static let adapterName = PEFTFolder.weightsName

    /// Writes `checkpoints/step-00001200` under the run's folder.
    /// - Parameters:
    ///   - shown: the model to show, where it is not the parameters; they go into a file of their own then.
    ///   - carried: what the model has beside them and is not trained.
    ///   - files: small files of the model: names, which may have a folder, and contents.
    static func write(
        run: String, step: Int, parameters: [Parameter], optimizer: any Optimizer, shown: [(String, Tensor)]? = nil,
        carried: [(String, Tensor)] = [], state: JSON, files: [(name: String, bytes: [UInt8])],
        as modelName: String = modelName,
        metadata: [String: String] = ["format": "pt"]
    ) throws -> TrainingCheckpoint {
        let folder = run + "/checkpoints"
        let name = "step-" + String(repeating: "0", count: max(0, 8 - String(step).count)) + String(step)
        let path = folder + "/" + name, partial = folder + "/." + name + ".partial"
        try makeFolder(folder)
        // What a process left that was ended in the middle of this.
        for left in folderNames(folder) where left.hasPrefix(".step-") { removeFolder(folder + "/" + left) }
        try makeFolder(partial)
        do {
            let weights = parameters.map { ($0.name, $0.tensor.detach()) }
            try SafetensorsWriter.write(
                (shown ?? weights) + carried, metadata: metadata, to: partial + "/" + modelName)
            if shown != nil { try SafetensorsWriter.write(weights, to: partial + "/" + weightsName) }
            try SafetensorsWriter.write(
                optimizer.state().map { ($0.name, $0.tensor) }, to: partial + "/optimizer.safetensors")
            for file in files {
                try makeFolder(AtomicFile.split(partial + "/" + file.name).folder)
                try AtomicFile.write(partial + "/" + file.name, bytes: file.bytes)
            }
            try AtomicFile.write(partial + "/trainer_state.json", bytes: state.bytes(indent: 2))
            var entries: [JSONObject.Element] = []
            let own = [modelName, "optimizer.safetensors", "trainer_state.json"]
            for name in own + (shown == nil ? [] : [weightsName]) + files.map(\.name) {
                let file = partial + "/" + name
                entries.append(
                    (name, ["bytes": .integer(Int64(try fileSize(file))), "xxh64": .string(try Self.hash(file))]))
            }
            let manifest: JSON = ["version": 2, "step": .integer(Int64(step)), "files": .object(JSONObject(entries))]
            try AtomicFile.write(partial + "/" + manifestName, bytes: manifest.bytes(indent: 2))
            // A folder cannot be renamed over another: the one of an earlier try steps aside, whole as it is.
            let aside = folder + "/." + name + ".old"
            rename(path, aside)
            guard rename(partial, path) == 0 else {
                let why = String(cString: strerror(errno))
                rename(aside, path)
                throw TrainingError(.checkpoint, "\(path): \(why)")
            }
            removeFolder(aside)
            try AtomicFile.syncFolder(folder)
        } catch {
            removeFolder(partial)
            throw error
        }
        return TrainingCheckpoint(path: path, step: step, state: state)
    }

    /// The checkpoints of a run, oldest first, and what is wrong with those that cannot be used.
    public static func list(run: String) -> (usable: [TrainingCheckpoint], broken: [(path: String, why: String)]) {
        var usable: [TrainingCheckpoint] = [], broken: [(String, String)] = []
        for name in folderNames(run + "/checkpoints").sorted() where name.hasPrefix("step-") {
            let path = run + "/checkpoints/" + name
            do {
                usable.append(try TrainingCheckpoint(path: path))
            } catch {
                broken.append((path, "\(error)"))
            }
        }
        return (usable.sorted { $0.step < $1.step }, broken)
    }

    private static func object(_ path: String) throws -> JSON {
        do { return try JSON(parsing: Folder.read(path)) } catch let error as JSONError {
            throw TrainingError(.checkpoint, "\(path) is damaged: \(error)")
        }
    }

    /// The newest checkpoint that is whole and undamaged, and what is wrong with those that were passed over for it.
    package static func newestSound(
        run: String
    ) -> (checkpoint: TrainingCheckpoint?, broken: [(path: String, why: String)]) {
        var (usable, broken) = list(run: run)
        while let newest = usable.popLast() {
            do {
                try newest.verify()
                return (newest, broken)
            } catch {
                broken.append((newest.path, "\(error)"))
            }
        }
        return (nil, broken)
    }

    /// The newest checkpoint to go on from, and those that were passed over for it; none where there are none.
    /// - Throws: `TrainingError` naming the damaged ones, where no other is left: a run that has got so far is not begun
    ///   again unasked.
    static func toGoOnFrom(
        run: String
    ) throws -> (checkpoint: TrainingCheckpoint?, broken: [(path: String, why: String)]) {
        let (newest, broken) = newestSound(run: run)
        guard newest == nil, !broken.isEmpty else { return (newest, broken) }
        let list = broken.prefix(8).map { "\($0.path) (\($0.why))" }.joined(separator: "; ")
        throw TrainingError(
            .checkpoint,
            "\(run) has no checkpoint to go on from: \(broken.count == 1 ? "its only one is" : "all \(broken.count) are") "
                + "damaged: \(list)\(broken.count > 8 ? "; …" : ""). Put one back from a copy, choose another run folder, or "
                + "begin anew in this one, which writes over it, with --resume never")
    }

    /// Reads every file and compares it with the manifest. Those of the first version have no hashes: their sizes, which
    /// were compared already, must do.
    /// - Throws: `TrainingError` naming the first file that has changed since it was written.
    public func verify() throws {
        let manifest = try JSON(parsing: Folder.read(path + "/" + Self.manifestName))
        for (name, entry) in manifest["files"]?.object ?? JSONObject() {
            guard let wanted = entry["xxh64"]?.string else { continue }
            let found = try Self.hash(path + "/" + name)
            guard found == wanted else {
                throw TrainingError(
                    .checkpoint, "\(path)/\(name) is damaged: its XXH64 is \(found), the manifest says \(wanted)")
            }
        }
    }

    /// XXH64 of a file in 16 hexadecimal digits, a part of the file at a time.
    private static func hash(_ path: String) throws -> String {
        let file = try InputFile(path: path)
        var hash = HashXX64()
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 64) { buffer in
            while true {
                let count = try file.read(into: buffer)
                if count == 0 { return }
                hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
        let digits = String(hash.value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private init(path: String, step: Int, state: JSON) {
        self.path = path
        self.step = step
        self.state = state
    }

    /// Opens a checkpoint and compares it with its manifest.
    public init(path: String) throws {
        let manifest = path + "/" + Self.manifestName
        guard Folder.exists(manifest) else { throw TrainingError(.checkpoint, "\(path) has no \(Self.manifestName)") }
        let json = try Self.object(manifest)
        guard let step = json["step"]?.integer?.narrowed(to: RunRecord.steps), let files = json["files"]?.object else {
            throw TrainingError(.checkpoint, "\(manifest) names no step and files")
        }
        for (name, entry) in files {
            let size = entry["bytes"] ?? entry
            guard Folder.isPlainRelativePath(name), let found = try? fileSize(path + "/" + name) else {
                throw TrainingError(.checkpoint, "\(path) lacks \(name)")
            }
            guard found == size.integer else {
                throw TrainingError(
                    .checkpoint, "\(path)/\(name) has \(found) bytes, the manifest says \(size.text())")
            }
        }
        self.path = path
        self.step = step
        state = try Self.object(path + "/trainer_state.json")
    }

    /// - Throws: `TrainingError` naming the first value that differs from what the checkpoint was trained with.
    func demand(_ configuration: JSON) throws {
        guard let before = state["configuration"], before != configuration else { return }
        let changed = configuration.object?.first { before[$0.key] != $0.value }?.key ?? "a key"
        throw TrainingError(
            .configuration,
            "\(path) was trained with another \(changed); use the same configuration, or another run folder")
    }

    /// Puts parameters, optimiser and average back to where they were.
    func restore(_ parameters: [Parameter], _ optimizer: any Optimizer, _ average: WeightAverage? = nil) throws {
        let model = Folder.exists(path + "/" + Self.adapterName) ? Self.adapterName : Self.modelName
        let file = Folder.exists(path + "/" + Self.weightsName) ? Self.weightsName : model
        let weights = try SafetensorsFile(path: path + "/" + file)
        for parameter in parameters {
            guard weights.entry(parameter.name) != nil else {
                throw TrainingError(.checkpoint, "\(path)/\(file) lacks \(parameter.name)")
            }
            let stored = try weights.tensor(parameter.name)
            guard stored.shape == parameter.tensor.shape else {
                throw TrainingError(
                    .checkpoint,
                    "\(path): \(parameter.name) has shape \(stored.shape), the model needs "
                        + "\(parameter.tensor.shape)")
            }
            try noGrad { try parameter.tensor.copy(from: stored) }
        }
        let saved = try SafetensorsFile(path: path + "/optimizer.safetensors")
        let steps = state["optimizer_steps"]?.integer?.narrowed(to: RunRecord.steps) ?? step
        try optimizer.restore(stepCount: steps) { name in
            saved.entry(name) == nil ? nil : try saved.tensor(name)
        }
        guard let average else { return }
        let averages = try SafetensorsFile(path: path + "/" + model)
        try average.restore(stepCount: step) { averages.entry($0) == nil ? nil : try averages.tensor($0) }
    }

    /// Makes the run's own folder show this model: each file appears there under its name, at once.
    func publish(in run: String) throws {
        let manifest = try JSON(parsing: Folder.read(path + "/" + Self.manifestName))
        for (name, _) in manifest["files"]?.object ?? JSONObject()
        where name != "optimizer.safetensors" && name != Self.weightsName {
            let place = AtomicFile.split(run + "/" + name), temporary = "\(place.folder)/.\(place.name).new"
            try makeFolder(place.folder)
            unlink(temporary)
            if link(path + "/" + name, temporary) != 0 {
                try AtomicFile.write(temporary, bytes: Folder.read(path + "/" + name, limit: .max))
            }
            guard rename(temporary, run + "/" + name) == 0 else {
                throw TrainingError(.checkpoint, "\(run)/\(name): \(String(cString: strerror(errno)))")
            }
        }
    }

    /// Gives the checkpoint a name under which it is kept and never gone on from: `diverged-00001200`.
    func setAside() {
        let (folder, name) = AtomicFile.split(path)
        rename(path, folder + "/" + name.replacing("step-", with: "diverged-", maxReplacements: 1))
    }

    /// Takes the checkpoint away at once, so that one that is half removed is never taken for one that is broken.
    func remove() {
        let (folder, name) = AtomicFile.split(path)
        let aside = folder + "/." + name + ".removed"
        removeFolder(rename(path, aside) == 0 ? aside : path)
    }
}

/// Removes a folder of files and folders of files.
func removeFolder(_ path: String) {
    for name in folderNames(path) {
        let inner = path + "/" + name
        if unlink(inner) != 0 { removeFolder(inner) }
    }
    rmdir(path)
}

func fileSize(_ path: String) throws -> Int {
    var information = stat()
    guard stat(path, &information) == 0 else {
        throw TrainingError(.checkpoint, "\(path): \(String(cString: strerror(errno)))")
    }
    return Int(information.st_size)
}
