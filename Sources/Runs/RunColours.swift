/// The colours of runs in charts. The colour follows from the name of the run and is the same in every report and on
/// the server's page (`js/chart.js`), independent of the other runs shown. If two runs would have the same colour, the
/// later one takes the next free colour.
package enum RunColours {
    package static let all = [
        "#3b82b8", "#c8702e", "#3f9463", "#9560b8", "#c0504d", "#2f9a94", "#a88a2c", "#7a8594",
    ]

    /// The colours of `names`, in their order.
    package static func colours(of names: [String]) -> [String] {
        var taken: [Int: Int] = [:], places: [String: Int] = [:]
        for name in Set(names).sorted() {
            let wanted = place(of: name)
            let fewest = taken.count < all.count ? 0 : taken.values.min() ?? 0
            let free = (0..<all.count).map { (wanted + $0) % all.count }.first { taken[$0, default: 0] <= fewest }
            places[name] = free ?? wanted
            taken[free ?? wanted, default: 0] += 1
        }
        return names.map { all[places[$0] ?? 0] }
    }

    /// The 32-bit FNV-1a hash of the name's bytes.
    private static func place(of name: String) -> Int {
        var hash: UInt32 = 0x811C_9DC5
        for byte in name.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        return Int(hash % UInt32(all.count))
    }
}
