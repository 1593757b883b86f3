import MartletTensor

/// The files that a model's parameters are read from in place (memory-mapped), during the model's lifetime.
///
/// Checked after each pass: a file may be truncated or overwritten meanwhile, and a pass over zeros would look like any
/// other.
struct MappedWeights {
    private let files: [MappedFile]

    init(_ tensors: [Tensor]) {
        var files: [ObjectIdentifier: MappedFile] = [:]
        for case let file? in tensors.map(\.storage.file) { files[ObjectIdentifier(file)] = file }
        self.files = Array(files.values)
    }

    /// - Throws: `ModelError.fileChanged`.
    func check() throws(ModelError) {
        for file in files {
            do throws(FileError) { try file.checkUnchanged(byTime: true) } catch {
                throw .fileChanged(path: error.path, reason: error.reason)
            }
        }
    }
}
