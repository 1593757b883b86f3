import MartletTensor

/// How well vectors of questions find the texts that belong to them among all of a collection.
///
///     MRR@10 = mean of 1 / rank of the first right text, 0 beyond rank 10
///     recall@k = share of questions with a right text among the first k
package struct RetrievalMeasure: Equatable {
    /// The rank of the first right text of each question, from 1.
    package let ranks: [Int]

    /// - Parameters:
    ///   - queries: `[queries, dimension]`, each of length one.
    ///   - texts: `[texts, dimension]`, each of length one.
    ///   - right: for each question the texts that belong to it.
    /// Texts of equal score count as ranked before the right one, so that vectors that are all the same find nothing.
    package init(queries: Tensor, texts: Tensor, right: [Set<Int>]) throws {
        var ranks: [Int] = []
        let count = texts.shape[0]
        for start in stride(from: 0, to: right.count, by: 256) {
            let part = min(256, right.count - start)
            let scores = try queries.narrow(0, from: start, length: part).matmul(texts.transposed())
                .toArray(as: Float.self)  // [part, texts]
            for row in 0..<part {
                let own = scores[row * count..<(row + 1) * count], first = own.startIndex
                let best = right[start + row].map { own[first + $0] }.max() ?? -.infinity
                var ahead = 0
                for place in 0..<count where own[first + place] >= best && !right[start + row].contains(place) {
                    ahead += 1
                }
                ranks.append(ahead + 1)
            }
        }
        self.ranks = ranks
    }

    /// MRR@10.
    package var reciprocalRank: Double { mean { $0 <= 10 ? 1 / Double($0) : 0 } }
    package func recall(_ depth: Int) -> Double { mean { $0 <= depth ? 1 : 0 } }

    private func mean(_ value: (Int) -> Double) -> Double {
        ranks.isEmpty ? 0 : ranks.reduce(0) { $0 + value($1) } / Double(ranks.count)
    }
}

/// How two lists of numbers go together.
package enum Correlation {
    /// Pearson's r; 0 where one list does not vary.
    package static func pearson(_ a: [Double], _ b: [Double]) -> Double {
        let count = Double(min(a.count, b.count))
        guard count > 1 else { return 0 }
        let meanA = a.reduce(0, +) / count, meanB = b.reduce(0, +) / count
        var product = 0.0, squareA = 0.0, squareB = 0.0
        for (x, y) in zip(a, b) {
            product += (x - meanA) * (y - meanB)
            squareA += (x - meanA) * (x - meanA)
            squareB += (y - meanB) * (y - meanB)
        }
        let scale = (squareA * squareB).squareRoot()
        return scale > 0 ? product / scale : 0
    }

    /// Spearman's ρ: Pearson's r of the ranks, of equal numbers their mean rank.
    package static func spearman(_ a: [Double], _ b: [Double]) -> Double { pearson(ranks(a), ranks(b)) }

    private static func ranks(_ values: [Double]) -> [Double] {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = [Double](repeating: 0, count: values.count), start = 0
        while start < order.count {
            var end = start
            while end + 1 < order.count, values[order[end + 1]] == values[order[start]] { end += 1 }
            for place in start...end { ranks[order[place]] = Double(start + end) / 2 + 1 }
            start = end + 1
        }
        return ranks
    }
}
