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
