import MartletTensor

/// Why weights could not be quantised, or a quantised model not be read.
public enum QuantizationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A row is no whole number of blocks.
    case wrongLength(type: DType, columns: Int)
    /// The type is read, and not written.
    case readOnly(DType)
    case notWeights(type: DType, shape: Shape)
    case notFinite(row: Int, column: Int)
    /// A finite weight that a type of 16 bits has no number for.
    case tooLarge(row: Int, column: Int, value: Float, type: DType)
    case wrongImportance(found: Int, columns: Int)
    case badImportance
    case notPlain(DType)
    case folderInUse(String)
    case shortText(name: String, tokens: Int, needed: Int)
    case differentVocabularies(String, Int, String, Int)
    /// The inputs of a matrix on the calibration text leave no Hessian that can be inverted.
    case singularHessian(String)
    /// What a layer sees on the calibration text is no number.
    case badInputs(String)
    /// `fitting` divides the inputs of all matrices that are to be quantised; nil where nothing does.
    case wrongGroup(tensor: String, inputs: Int, group: Int, fitting: Int?)
    /// Codes fill no whole number of words of 32 bits.
    case wrongWords(tensor: String, outputs: Int, inputs: Int, bits: Int)
    case notSeparate(tensor: String)
    case unknownRecipe(name: String, known: [String])
    case badOverride(String, types: [String])
    case unknownVersion(String, Int, [Int])
    case unusedOverride(String, near: [String])
    case inTensor(String, file: String, reason: String)
    case importanceOfAnotherModel(origin: String, tensor: String, found: String, expected: String)

    /// What `body` gives; an error of it names the tensor and its file.
    static func naming<Value>(_ tensor: String, in file: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as QuantizationError {
            throw inTensor(tensor, file: file, reason: error.description)
        }
    }

    public var description: String {
        switch self {
        case .wrongLength(let type, let columns):
            "rows of \(columns) weights are no whole number of \(type.name) blocks of \(type.blockLength): "
                + "\(columns % type.blockLength) remain"
        case .readOnly(let type):
            "weights cannot be written as \(type.name), which is read only; written are "
                + DType.encodable.map(\.name).joined(separator: ", ")
        case .notWeights(let type, let shape): "\(type.name) \(shape) are no weights to be quantised"
        case .notFinite(let row, let column):
            "the weight at [\(row), \(column)] is no finite number: the model is damaged, fetch or train it again"
        case .tooLarge(let row, let column, let value, let type):
            "the weight at [\(row), \(column)] is \(value), larger than \(type.name) holds; choose "
                + (type == .float16 ? "bf16 or f32" : "f32")
        case .wrongImportance(let found, let columns):
            "\(found) importances for \(columns) columns: there is one for each"
        case .badImportance: "importances are finite numbers of at least zero"
        case .notPlain(let type): "a folder's matrices are f32, f16 or bf16, not \(type.name); GGUF files hold blocks"
        case .folderInUse(let path): "\(path) holds a model already (config.json); name another folder"
        case .shortText(let name, let tokens, let needed):
            "\(name): \(tokens) tokens are too few, at least \(needed) are needed; give a longer text or a shorter window"
        case .differentVocabularies(let path, let size, let other, let otherSize):
            "\(path) has a vocabulary of \(size), \(other) one of \(otherSize): their predictions cannot be compared"
        case .singularHessian(let name):
            "\(name): the calibration text leaves no Hessian that can be inverted; give a longer text, or another method"
        case .badInputs(let name):
            "\(name): its inputs on the calibration text are no finite numbers, so a weight before it is damaged; fetch the "
                + "model again"
        case .wrongWords(let tensor, let outputs, let inputs, let bits):
            "\(tensor): \(outputs) × \(inputs) codes of \(bits) bits fill no whole number of words of 32 bits along both; "
                + "choose other --bits, another method, or a GGUF file"
        case .wrongGroup(let tensor, let inputs, let group, let fitting):
            "\(tensor): \(inputs) inputs are no whole number of groups of \(group) (\(inputs % group) remain); "
                + (fitting.map { "choose a group that divides those of all matrices, such as \($0)" }
                    ?? "no group from 8 divides those of all matrices: choose another method, or write a GGUF file")
        case .notSeparate(let tensor):
            "\(tensor) joins several matrices, which no packed layout here has; write a GGUF file instead"
        case .unknownRecipe(let name, let known):
            "\"\(name.prefix(40))\" is no type of a file; there are \(known.joined(separator: ", "))"
        case .unknownVersion(let form, let version, let known):
            "there is no version \(version) of \(form)'s files; there are "
                + known.map(String.init).joined(separator: ", ")
        case .badOverride(let text, let types):
            "\"\(text.prefix(80))\" is no PATTERN=TYPE such as blk.*.ffn_down=q6_k; types are "
                + types.joined(separator: ", ")
        case .unusedOverride(let pattern, let near):
            "no matrix's name matches \"\(pattern.prefix(80))\"; names are \(near.joined(separator: ", ")), …"
        case .inTensor(let name, let file, let reason): "\(file): tensor \(name): \(reason)"
        case .importanceOfAnotherModel(let origin, let tensor, let found, let expected):
            "\(origin): the importance matrix is another model's: for \(tensor) it has \(found), expected \(expected)"
        }
    }
}
