/// What is learnt from and what is kept back.
///
/// The unit is the instance: what a template was filled with (cast, things and places of a story; operands of a
/// problem; person, attribute and wording of a question that is learnt by heart). A hash of it alone decides the side, so
/// that no seed, no index and no language moves it across.
public enum WorldSplit: String, Sendable, CaseIterable {
    case train, validation

    /// The side of an instance: one in ten is kept back.
    package static func side(of instance: String) -> WorldSplit {
        // FNV-1a, then a finaliser, since its low bits alone mix too little.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in instance.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return WorldRandom.mixed(hash) % 10 == 0 ? .validation : .train
    }
}

/// Draws instances until one falls on its side, and remembers which ones a document was made of.
package struct WorldDraw: Sendable {
    package var random: WorldRandom
    package let split: WorldSplit
    package let language: WorldLanguage
    package private(set) var instances: [String] = []

    package init(random: WorldRandom, split: WorldSplit, language: WorldLanguage) {
        self.random = random
        self.split = split
        self.language = language
    }

    /// The first candidate on this side, or nil where 300 tries found none, as happens with pools of a handful.
    package mutating func instance<T>(
        _ candidate: (inout WorldRandom) -> (instance: String, value: T)
    ) -> T? {
        for _ in 0..<300 {
            let (instance, value) = candidate(&random)
            if WorldSplit.side(of: instance) == split {
                instances.append(instance)
                return value
            }
        }
        return nil
    }
}
