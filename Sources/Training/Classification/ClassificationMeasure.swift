/// How often classes are told rightly.
///
///     accuracy = right / all;  F1 of a class = 2 tp / (2 tp + fp + fn);  macro: its mean over the classes that are there or
///     were told;  micro: of the sums over all classes
package struct ClassificationMeasure: Equatable {
    package private(set) var right = 0, count = 0
    private var truePositives: [Int], falsePositives: [Int], falseNegatives: [Int]
    /// Whether classes that are neither there nor told count as 0, as they do where a text may be of several.
    private let countsAll: Bool

    package init(classes: Int, countsAll: Bool = false) {
        truePositives = Array(repeating: 0, count: classes)
        (falsePositives, falseNegatives) = (truePositives, truePositives)
        self.countsAll = countsAll
    }

    /// One text, or token.
    package mutating func add(told: Set<Int>, there: Set<Int>) {
        count += 1
        if told == there { right += 1 }
        for one in told.intersection(there) { truePositives[one] += 1 }
        for one in told.subtracting(there) { falsePositives[one] += 1 }
        for one in there.subtracting(told) { falseNegatives[one] += 1 }
    }

    package var accuracy: Double { count > 0 ? Double(right) / Double(count) : 0 }

    package var macro: Double {
        let shown = truePositives.indices.filter {
            countsAll || truePositives[$0] + falsePositives[$0] + falseNegatives[$0] > 0
        }
        guard !shown.isEmpty else { return 0 }
        return shown.reduce(0) { $0 + Self.f1(truePositives[$1], falsePositives[$1], falseNegatives[$1]) }
            / Double(shown.count)
    }

    package var micro: Double {
        Self.f1(truePositives.reduce(0, +), falsePositives.reduce(0, +), falseNegatives.reduce(0, +))
    }

    package static func f1(_ tp: Int, _ fp: Int, _ fn: Int) -> Double {
        tp > 0 ? 2 * Double(tp) / Double(2 * tp + fp + fn) : 0
    }
}

/// How many entities are found whole: both ends and the class (Tjong Kim Sang & De Meulder 2003).
package struct EntityMeasure: Equatable {
    package private(set) var right = 0, told = 0, there = 0

    package init() {}

    package struct Entity: Hashable {
        package var label: String
        package var words: Range<Int>
    }

    /// Entities of a text's tags. "B-" begins one; "I-" goes on with one of its class, and begins one otherwise.
    package static func entities(_ tags: [String]) -> [Entity] {
        var entities: [Entity] = []
        var open: (label: String, start: Int)?
        func close(_ end: Int) {
            if let open { entities.append(Entity(label: open.label, words: open.start..<end)) }
        }
        for (place, tag) in tags.enumerated() {
            let isPart = tag.hasPrefix("B-") || tag.hasPrefix("I-"), label = isPart ? String(tag.dropFirst(2)) : tag
            if isPart, tag.hasPrefix("I-"), open?.label == label { continue }
            close(place)
            open = isPart ? (label, place) : nil
        }
        close(tags.count)
        return entities
    }

    package mutating func add(told tags: [String], there wanted: [String]) {
        let found = Set(Self.entities(tags)), real = Set(Self.entities(wanted))
        right += found.intersection(real).count
        told += found.count
        there += real.count
    }

    package var precision: Double { told > 0 ? Double(right) / Double(told) : 0 }
    package var recall: Double { there > 0 ? Double(right) / Double(there) : 0 }
    package var f1: Double { ClassificationMeasure.f1(right, told - right, there - right) }
}
