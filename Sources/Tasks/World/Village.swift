/// A person of the village, with facts that never change.
package struct Resident: Sendable {
    package let name, job, house, pet, petName, dish, hobby, sibling: Word
    package let isFemale, siblingIsFemale: Bool
}

/// The people of a world: facts that no story changes and that the model memorises. They depend only on the seed, so
/// training and validation have the same village.
package struct Village: Sendable {
    package let residents: [Resident]

    package init(seed: UInt64) {
        var random = WorldRandom(seed, 0x76696C6C616765)
        let order = random.shuffled(Array(Lexicon.people.indices))
        let jobs = random.shuffled(Lexicon.jobs), petNames = random.shuffled(Lexicon.petNames)
        let houses = random.shuffled(Lexicon.colours)
        // Brothers and sisters come in pairs and share a house.
        residents = order.indices.map { i in
            let sibling = order[i ^ 1]
            return Resident(
                name: Lexicon.people[order[i]], job: jobs[i], house: houses[i / 2 % houses.count],
                pet: random.pick(Lexicon.animals), petName: petNames[i], dish: random.pick(Lexicon.dishes),
                hobby: random.pick(Lexicon.hobbies), sibling: Lexicon.people[sibling],
                isFemale: order[i] < Lexicon.women.count, siblingIsFemale: sibling < Lexicon.women.count)
        }
    }
}
