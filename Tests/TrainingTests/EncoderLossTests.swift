import Foundation
import MartletJSON
import MartletTensor
import MartletTraining
import Testing

/// Losses of vectors and labels, and what they are measured by, against sentence-transformers, PyTorch, scikit-learn and scipy
/// (Goldens/encoders/make_encoders.py).
struct EncoderLossTests {
    private static let golden =
        (try? JSON(
            parsing: [UInt8](
                Data(
                    contentsOf: URL(filePath: #filePath).deletingLastPathComponent()
                        .appending(path: "Goldens/encoders/encoders.json"))))) ?? .null

    private static func numbers(_ json: JSON?) -> [Double] { json?.array?.compactMap(\.double) ?? [] }
    private static func integers(_ json: JSON?) -> [Int] { json?.array?.compactMap(\.integer) ?? [] }

    /// Texts stand row by row: anchor, positive, negative.
    private static func rows(negatives: Bool) -> EmbeddingLoss.Rows {
        var rows = EmbeddingLoss.Rows()
        for row in 0..<6 {
            rows.anchors.append(3 * row)
            rows.positives.append(3 * row + 1)
            if negatives { rows.negatives.append((row, 3 * row + 2)) }
        }
        rows.scores = numbers(golden["scores"])
        rows.leftOut = Array(repeating: [], count: 6)
        return rows
    }

    private static func loss(_ name: String) -> EmbeddingLoss {
        var loss: EmbeddingLoss
        switch name {
        case _ where name.contains("infonce"): loss = EmbeddingLoss(.infonce)
        case _ where name.contains("triplet"): loss = EmbeddingLoss(.triplet)
        case _ where name.contains("cosent"): loss = EmbeddingLoss(.cosent)
        default: loss = EmbeddingLoss(.cosine)
        }
        if name.contains("scale 5") { loss.scale = 5 }
        loss.isSymmetric = name.contains("symmetric")
        if name.contains("euclidean") { (loss.distance, loss.margin) = (.euclidean, 5) }
        if name.contains("manhattan") { (loss.distance, loss.margin) = (.manhattan, 5) }
        if name == "matryoshka infonce" { loss.dimensions = [(8, 1), (4, 0.5), (2, 0.25)] }
        if name == "matryoshka cosent" { loss.dimensions = [(8, 1), (3, 1)] }
        return loss
    }

    @Test(
        arguments: [
            "infonce", "infonce scale 5", "infonce negatives", "infonce symmetric", "infonce symmetric negatives",
            "infonce masked", "triplet cosine", "triplet euclidean", "triplet manhattan", "cosine", "cosent",
            "matryoshka infonce", "matryoshka cosent",
        ], [DType.float32, .float64])
    func lossesAndGradientsAreThoseOfSentenceTransformers(_ name: String, _ type: DType) throws {
        let expected = try #require(Self.golden["losses"]?[name]), width = 8
        let values = Self.numbers(Self.golden["vectors"])
        let vectors = try Tensor(values, shape: [values.count / width, width]).to(type).requiringGrad()
        let usesNegatives = name.contains("negatives") || name.contains("triplet") || name == "matryoshka infonce"
        var rows = Self.rows(negatives: usesNegatives)
        if name.contains("masked") { (rows.leftOut[0], rows.leftOut[3]) = ([3], [0]) }
        let loss = try Self.loss(name)(vectors, rows), tolerance = type == .float64 ? 1e-9 : 1e-5
        let wanted = try #require(expected["loss"]?.double)
        #expect(abs(try loss.item(as: Double.self) - wanted) < tolerance * max(1, abs(wanted)))
        try loss.backward()
        let gradient = try #require(vectors.gradient).to(.float64).toArray(as: Double.self)
        let golden = Self.numbers(expected["gradient"])
        #expect(gradient.count == golden.count)
        let largest = golden.map(abs).max() ?? 1
        for (found, wanted) in zip(gradient, golden) { #expect(abs(found - wanted) < tolerance * max(1, largest)) }
    }

    @Test func aLossWithoutWhatItNeedsIsRefused() throws {
        let vectors = try Tensor.zeros([18, 8])
        #expect(throws: TensorError.self) { try EmbeddingLoss(.triplet)(vectors, Self.rows(negatives: false)) }
        var rows = Self.rows(negatives: false)
        rows.scores = []
        #expect(throws: TensorError.self) { try EmbeddingLoss(.cosent)(vectors, rows) }
    }

    @Test func lossesOfLabelsAreThoseOfPyTorch() throws {
        let golden = try #require(Self.golden["classifier"])
        let logits = try Tensor(Self.numbers(golden["logits"]), shape: [5, 3])
        let classes = Self.integers(golden["classes"]).map { [Int32($0)] }
        let several = (golden["several"]?.array ?? []).map { Self.integers($0).map { Int32($0) } }
        func check(_ name: String, _ loss: LabelLoss, _ targets: [[Int32]], _ logits: Tensor) throws {
            let numbers = Array(Self.numbers(Self.golden["scores"]).prefix(5))
            let found = try loss.sum(logits, targets: targets, numbers: numbers).item(as: Double.self)
            let wanted = try #require(golden[name]?.double)
            #expect(abs(found / loss.weight(of: targets) - wanted) < 1e-9, "\(name)")
        }
        try check("single", LabelLoss(.single), classes, logits)
        try check("weighted", LabelLoss(.single, weights: Self.numbers(golden["weights"])), classes, logits)
        // 0.1 is given as a float32.
        let smooth = try LabelLoss(.single, smoothing: 0.1).sum(logits, targets: classes, numbers: [])
        #expect(abs(try smooth.item(as: Double.self) / 5 - (golden["smoothed"]?.double ?? 0)) < 1e-7)
        try check("multi", LabelLoss(.multi), several, logits)
        try check("regression", LabelLoss(.regression), classes, logits.narrow(1, from: 0, length: 1).contiguous())
        // Words without a class count for nothing.
        let words: [[Int32]] = [[-100, 2, -100, 0, -100]]
        let loss = LabelLoss(.tokens)
        #expect(loss.weight(of: words) == 2)
        let both = try loss.sum(logits, targets: words, numbers: []).item(as: Double.self)
        let alone = try LabelLoss(.single).sum(
            logits.indexSelect(0, Tensor([Int64(1), 3])), targets: [[2], [0]], numbers: []
        ).item(as: Double.self)
        #expect(abs(both - alone) < 1e-12)
    }

    @Test func measuresAreThoseOfScikitLearn() throws {
        let golden = try #require(Self.golden["measures"])
        func number(_ name: String) throws -> Double { try #require(golden[name]?.double) }
        var measure = ClassificationMeasure(classes: 6)
        for (said, there) in zip(Self.integers(golden["said"]), Self.integers(golden["there"])) {
            measure.add(told: [said], there: [there])
        }
        #expect(abs(measure.accuracy - (try number("accuracy"))) < 1e-12)
        #expect(abs(measure.macro - (try number("f1_macro"))) < 1e-12)
        #expect(abs(measure.micro - (try number("f1_micro"))) < 1e-12)
        let logits = Self.numbers(Self.golden["classifier"]?["logits"])
        let several = (Self.golden["classifier"]?["several"]?.array ?? []).map { Set(Self.integers($0)) }
        var multi = ClassificationMeasure(classes: 3, countsAll: true)
        for (row, there) in several.enumerated() {
            multi.add(told: Set((0..<3).filter { logits[3 * row + $0] > 0 }), there: there)
        }
        #expect(abs(multi.accuracy - (try number("multi_accuracy"))) < 1e-12)
        #expect(abs(multi.macro - (try number("multi_macro"))) < 1e-12)
        #expect(abs(multi.micro - (try number("multi_micro"))) < 1e-12)
        let a = Self.numbers(golden["a"]), b = Self.numbers(golden["b"])
        #expect(abs(Correlation.spearman(a, b) - (try number("spearman"))) < 1e-12)
        #expect(abs(Correlation.pearson(a, b) - (try number("pearson"))) < 1e-12)
        #expect(Correlation.pearson([1, 1], [2, 3]) == 0 && Correlation.spearman([], []) == 0)
    }

    /// As conlleval reads tags: an "I-" after another class, or after none, begins an entity.
    @Test func entitiesAreFoundWhole() {
        let found = EntityMeasure.entities(["B-PER", "I-PER", "O", "I-LOC", "B-LOC", "I-PER", "I-PER"])
        #expect(found.map { "\($0.label) \($0.words)" } == ["PER 0..<2", "LOC 3..<4", "LOC 4..<5", "PER 5..<7"])
        var measure = EntityMeasure()
        measure.add(told: ["B-PER", "O", "O", "B-LOC"], there: ["B-PER", "I-PER", "O", "B-LOC"])
        #expect(measure.precision == 0.5 && measure.recall == 0.5 && measure.f1 == 0.5)
        measure.add(told: ["O"], there: ["O"])
        #expect(measure.told == 2 && measure.there == 2)
    }

    @Test func ranksAreCountedAgainstEverythingThatIsNotRight() throws {
        let texts = try Tensor([[1, 0], [0, 1], [0.6, 0.8], [1, 0]] as [[Float]])
        let queries = try Tensor([[1, 0], [0, 1]] as [[Float]])
        // The first query's text has an equal beside it, which comes first; the second's are the two nearest.
        let found = try RetrievalMeasure(queries: queries, texts: texts, right: [[0], [1, 2]])
        #expect(found.ranks == [2, 1] && found.reciprocalRank == 0.75)
        #expect(found.recall(1) == 0.5 && found.recall(5) == 1)
        let equal = try RetrievalMeasure(queries: queries, texts: Tensor.ones([4, 2]), right: [[0], [3]])
        #expect(equal.ranks == [4, 4])
    }
}
