import MartletAdapters
import MartletJSON
import MartletModels
import MartletNN

/// A classifier as its files have it: with the head of the model, or with an adapter that holds the head beside it.
///
/// An adapter on an encoder has its head as `modules_to_save`; the base has another one or none. What the classes are called
/// stands in the adapter's file where `martlet classify-train` wrote it.
package struct OpenedClassifier {
    package let model: AnyClassifier
    /// The names of the classes.
    package let labels: [String]
    /// transformers' `problem_type`.
    package let problem: String?
    /// What is ignored in the files and may matter.
    package let notes: [String]

    /// - Parameters:
    ///   - stored: its adapters, where they have been read.
    ///   - attaching: whether they are put on the model; else it has the heads that they need, to merge them.
    /// - Throws: `ModelError.wrongKind` for a model that is no classifier; `AdapterError`.
    package init(_ files: ModelFiles, stored: [StoredAdapter]? = nil, attaching: Bool = true) throws {
        let checkpoint = files.checkpoint
        guard !files.adapters.isEmpty else {
            try checkpoint.demand(.classifies, .scores)
            try self.init(checkpoint.anyClassifier(), checkpoint, head: nil, hasOwn: true, notes: [])
            return
        }
        let folder = try EncoderFolder(checkpoint, hasHead: true)
        let all = try stored ?? files.adapters.map { try StoredAdapter.read($0.path, base: nil) }
        var head: Head?
        for (stored, reference) in zip(all, files.adapters) {
            guard let found = try Head(stored, reference.path, folder, checkpoint) else { continue }
            if let head {
                throw AdapterError(
                    .unsupported,
                    "\(head.path) and \(reference.path) both hold a head, and a classifier has one: name one of them")
            }
            head = found
        }
        let model: AnyClassifier
        if let head {
            let opened = try checkpoint.newAnyClassifier(
                labels: head.count, overTokens: head.isOverTokens, keepsOutput: true, seed: 0, where: { _ in false })
            let missing = opened.made.compactMap(folder.name).filter { !head.has($0) }
            guard missing.isEmpty else {
                throw AdapterError(
                    .file,
                    "\(head.path) lacks \(missing.joined(separator: ", ")), and so does the base: the head is not "
                        + "whole")
            }
            model = opened.model
        } else {
            try checkpoint.demand(.classifies, .scores)
            model = try checkpoint.anyClassifier()
        }
        let notes = attaching ? try files.attach(all, to: AdapterBase(model, of: checkpoint)) : []
        try self.init(model, checkpoint, head: head?.stored.head, hasOwn: head == nil, notes: notes)
    }

    private init(
        _ model: AnyClassifier, _ checkpoint: Checkpoint, head: AdapterHead?, hasOwn: Bool, notes: [String]
    ) throws {
        let count = model.labelCount
        if let head, head.labels.count != count {
            throw AdapterError(
                .file, "the adapter's file names \(head.labels.count) labels, and its head gives \(count) numbers")
        }
        // The base's names are of its own head.
        let isNamed = hasOwn || checkpoint.configuration.json["id2label"]?.object?.count == count
        labels = head?.labels ?? (isNamed ? checkpoint.labels(count: count) : (0..<count).map(String.init))
        problem = hasOwn ? try checkpoint.configuration.string("problem_type", default: "") : head?.problem
        (self.model, self.notes) = (model, notes)
    }

    /// The head in an adapter's file.
    private struct Head {
        let stored: StoredAdapter
        let path: String
        let isOverTokens: Bool
        /// The numbers that it gives.
        let count: Int

        /// - Returns: nil for an adapter without one.
        init?(_ stored: StoredAdapter, _ path: String, _ folder: EncoderFolder, _ checkpoint: Checkpoint) throws {
            switch stored.configuration.taskType {
            case "TOKEN_CLS": isOverTokens = true
            case "SEQ_CLS": isOverTokens = false
            case "QUESTION_ANS":
                throw AdapterError(
                    .unsupported,
                    "\(path) is for answers to questions (task_type QUESTION_ANS), whose head is read from whole models: merge "
                        + "it into its base where it was made")
            default: isOverTokens = checkpoint.isOverTokens
            }
            let output = isOverTokens ? "token_classifier.weight" : "classifier.weight"
            guard let name = folder.name(output), let weight = stored.tensors["base_model.model." + name] else {
                return nil
            }
            guard weight.shape.count == 2, weight.shape[0] > 0 else {
                throw AdapterError(.file, "\(path): \(name) is \(weight.shape), expected a row for each class")
            }
            (self.stored, self.path, count) = (stored, path, weight.shape[0])
        }

        func has(_ name: String) -> Bool { stored.tensors["base_model.model." + name] != nil }
    }
}
