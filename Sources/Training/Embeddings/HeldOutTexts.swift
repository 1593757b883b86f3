import MartletData

/// Which rows are held out: those of a share of all different texts, so that rows of one text are on one side.
struct HeldOutTexts {
    /// The numbers of the rows, those that are learnt first, each part in its order.
    let order: [Int]
    /// The last so many are held out.
    let count: Int

    /// - Parameters:
    ///   - identities: the text of each row.
    ///   - share: of the different texts; one at least is learnt.
    init(_ identities: [String], share: Double) {
        var numbers: [String: Int] = [:]
        for text in identities where numbers[text] == nil { numbers[text] = numbers.count }
        guard numbers.count > 1 else {
            (order, count) = (Array(identities.indices), 0)
            return
        }
        let held = min(numbers.count - 1, Int((share * Double(numbers.count)).rounded()))
        let permutation = KeyedPermutation(count: numbers.count, key: 0x9E37)
        let chosen = Set((0..<held).map { permutation($0) })
        let isHeld = identities.map { numbers[$0].map(chosen.contains) ?? false }
        let learnt = identities.indices.filter { !isHeld[$0] }
        order = learnt + identities.indices.filter { isHeld[$0] }
        count = identities.count - learnt.count
    }
}

/// The rows of a step: epoch after epoch, each in an order of its own, which follows from the seed.
struct StepRows {
    let count, perStep: Int
    let seed: UInt64

    func callAsFunction(_ step: Int) -> [Int] {
        (0..<perStep).map { place in
            let index = step * perStep + place, epoch = UInt64(index / count)
            return KeyedPermutation(count: count, key: seed &+ epoch &* 0x9E37_79B9_7F4A_7C15)(index % count)
        }
    }
}

extension Array {
    /// So many parts of about equal size, in order; fewer where there are fewer elements.
    func parts(_ count: Int) -> [ArraySlice<Element>] {
        let count = Swift.min(count, self.count)
        return (0..<count).map { self[self.count * $0 / count..<self.count * ($0 + 1) / count] }
    }
}
