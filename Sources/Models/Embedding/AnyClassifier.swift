import MartletNN

/// A classifier of whole texts, or of each of their tokens.
package enum AnyClassifier {
    case texts(SequenceClassifier)
    case tokens(TokenClassifier)

    package var encoder: Encoder {
        switch self {
        case .texts(let model): model.encoder
        case .tokens(let model): model.encoder
        }
    }

    /// The layers of encoder and head.
    package var tree: ModuleTree {
        switch self {
        case .texts(let model): model.tree
        case .tokens(let model): model.tree
        }
    }

    /// The numbers that a text, or a token, is given.
    package var labelCount: Int {
        switch self {
        case .texts(let model): model.labelCount
        case .tokens(let model): model.labelCount
        }
    }

    package func prepare(_ precision: Precision) throws {
        switch self {
        case .texts(let model): try model.prepare(precision)
        case .tokens(let model): try model.prepare(precision)
        }
    }
}

extension Checkpoint {
    /// The classifier in this checkpoint, whichever it is.
    /// - Throws: `ModelError.wrongKind` when it is none.
    package func anyClassifier() throws -> AnyClassifier {
        isOverTokens ? .tokens(try tokenClassifier()) : .texts(try classifier())
    }

    /// A classifier to train on the encoder in this checkpoint; see `newClassifier`.
    package func newAnyClassifier(
        labels: Int, overTokens: Bool, keepsOutput: Bool, seed: UInt64,
        where isTrained: @escaping (String) -> Bool
    ) throws -> TrainableEncoder<AnyClassifier> {
        if overTokens {
            return try newTokenClassifier(labels: labels, keepsOutput: keepsOutput, seed: seed, where: isTrained)
                .map { .tokens($0) }
        }
        return try newClassifier(labels: labels, keepsOutput: keepsOutput, seed: seed, where: isTrained)
            .map { .texts($0) }
    }
}

extension TrainableEncoder {
    /// The same parameters of another view of the model.
    fileprivate func map<Other>(_ change: (Model) -> Other) -> TrainableEncoder<Other> {
        TrainableEncoder<Other>(model: change(model), trained: trained, all: all, made: made)
    }
}
