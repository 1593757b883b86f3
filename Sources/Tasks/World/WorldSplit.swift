/// The split of training and validation.
///
/// The unit of the split is the instance: what fills a template (people, things and places of a story; operands of a
/// problem; person, attribute and wording of a question about a memorised fact). Only a hash of the instance decides
/// its split, so no seed, index or language moves it to the other.
public enum WorldSplit: String, Sendable, CaseIterable {
    case train, validation

    /// The split of an instance: one in ten is held out for validation.
    package static func side(of instance: String) -> WorldSplit {
        // FNV-1a followed by a finaliser, because the low bits of FNV-1a are not mixed well.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in instance.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return WorldRandom.mixed(hash) % 10 == 0 ? .validation : .train
    }
}

/// Draws instances until one belongs to the split, and records those that a document uses.
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

    /// The first candidate in this split; nil if 300 attempts found none, as happens if there are only a few
    /// candidates.
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
