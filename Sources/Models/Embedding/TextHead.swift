import MartletNN
import MartletTensor

/// A classifier of whole texts, whatever layers it stands on.
package enum TextHead {
    case encoder(SequenceClassifier)
    case decoder(DecoderClassifier)

    /// The numbers that a text is given.
    package var labelCount: Int {
        switch self {
        case .encoder(let model): model.labelCount
        case .decoder(let model): model.labelCount
        }
    }

    /// The activation function applied to a score.
    package var activation: DenseActivation {
        switch self {
        case .encoder(let model): model.activation
        case .decoder(let model): model.activation
        }
    }

    /// The largest number of tokens per text.
    package var contextLength: Int {
        switch self {
        case .encoder(let model): model.encoder.configuration.contextLength
        case .decoder(let model): model.contextLength
        }
    }

    package var vocabularySize: Int {
        switch self {
        case .encoder(let model): model.encoder.configuration.vocabularySize
        case .decoder(let model): model.vocabularySize
        }
    }

    package func prepare(_ precision: Precision) throws {
        switch self {
        case .encoder(let model): try model.prepare(precision)
        case .decoder(let model): try model.prepare(precision)
        }
    }

    /// Checks that the weight files have not changed since they were loaded.
    package func checkFiles() throws(ModelError) {
        switch self {
        case .encoder(let model): try model.encoder.checkFiles()
        case .decoder(let model): try model.checkFiles()
        }
    }

    /// The logits of several texts, `[texts, labels]`.
    /// - Parameter types: the segment of every token, which encoders may read.
    package func callAsFunction(_ texts: [[Int32]], types: [[Int32]]) throws -> Tensor {
        switch self {
        case .encoder(let model): try model(texts, types: types)
        case .decoder(let model): try model(texts)
        }
    }
}
