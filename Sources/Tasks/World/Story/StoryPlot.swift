/// The events of a story, and the questions that can be asked about it; not yet worded.
package struct StoryPlot: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case walk, find, gift, hide, clothes, lost, meal, cafe, harvest, race, care, watch, play, week, pet
    }
    package let kind: Kind
    package var events: [StoryEvent] = []
    package var queries: [StoryQuery] = []

    package init(_ kind: Kind, village: Village, _ random: inout WorldRandom) {
        self.kind = kind
        switch kind {
        case .walk: walk(&random)
        case .find: find(&random)
        case .gift: gift(&random)
        case .hide: hide(&random)
        case .clothes: clothes(&random)
        case .lost: lost(&random)
        case .meal: consume(.eat, .dish, "F", Lexicon.dishes, &random)
        case .cafe: consume(.order, .drink, "R", Lexicon.drinks, &random)
        case .harvest: harvest(&random)
        case .race: race(&random)
        case .care: care(&random)
        case .watch: watch(&random)
        case .play: play(&random)
        case .week: week(&random)
        case .pet: pet(village, &random)
        }
    }

    /// The people, things, places and numbers, independent of order, wording and language.
    package var instance: String {
        let words = Set(events.flatMap { $0.words.values.map(\.id) })
        return "story:\(kind.rawValue):" + words.sorted().joined(separator: ",")
    }

    private mutating func event(_ kind: StoryEvent.Kind, _ words: [Character: Word]) {
        events.append(StoryEvent(kind: kind, words: words))
    }

    private mutating func ask(_ kind: StoryQuery.Kind, _ words: [Character: Word]) {
        queries.append(StoryQuery(kind: kind, words: words))
    }

    private mutating func walk(_ random: inout WorldRandom) {
        let cast = random.sample(Lexicon.people, random.within(2...3))
        let places = random.sample(Lexicon.places, 6)
        for (person, place) in zip(cast, places) { event(.arrive, ["A": person, "P": place]) }
        for (person, place) in zip(random.sample(cast, random.within(1...2)), places[3...]) {
            event(.move, ["A": person, "P": place])
        }
        for person in cast { ask(.place, ["A": person]) }
    }

    private mutating func find(_ random: inout WorldRandom) {
        let cast = random.sample(Lexicon.people, random.within(2...3))
        let places = random.sample(Lexicon.places, 3), things = random.sample(Lexicon.things, 3)
        for i in cast.indices {
            event(.find, ["A": cast[i], "T": things[i], "P": places[i]])
            ask(.finder, ["T": things[i]])
            ask(.found, ["A": cast[i]])
            ask(.foundPlace, ["T": things[i]])
        }
    }

    private mutating func gift(_ random: inout WorldRandom) {
        let cast = random.sample(Lexicon.people, 4)
        let places = random.sample(Lexicon.places, 2), things = random.sample(Lexicon.things, 2)
        event(.find, ["A": cast[0], "T": things[0], "P": places[0]])
        event(.give, ["A": cast[0], "T": things[0], "B": cast[1]])
        ask(.holder, ["T": things[0]])
        ask(.giver, ["T": things[0], "B": cast[1]])
        ask(.received, ["A": cast[1]])
        ask(.foundPlace, ["T": things[0]])
        if random.chance(60) {
            event(.find, ["A": cast[2], "T": things[1], "P": places[1]])
            ask(.holder, ["T": things[1]])
            if random.chance(50) {
                event(.give, ["A": cast[2], "T": things[1], "B": cast[3]])
                ask(.giver, ["T": things[1], "B": cast[3]])
                ask(.received, ["A": cast[3]])
            }
        }
    }

    private mutating func hide(_ random: inout WorldRandom) {
        let cast = random.sample(Lexicon.people, 3)
        let things = random.sample(Lexicon.things, 3), containers = random.sample(Lexicon.containers, 3)
        for i in 0..<random.within(2...3) {
            event(.put, ["A": cast[i], "T": things[i], "K": containers[i]])
            ask(.container, ["T": things[i]])
            ask(.putter, ["T": things[i]])
        }
    }

    private mutating func clothes(_ random: inout WorldRandom) {
        let cast = random.sample(Lexicon.people, 3)
        let colours = random.sample(Lexicon.colours, 3)
        let garments = random.sample(Lexicon.garments, 3)
        for i in 0..<random.within(2...3) {
            event(.wear, ["A": cast[i], "G": garments[i].coloured(colours[i]), "O": colours[i]])
            ask(.clothes, ["A": cast[i], "G": garments[i]])
        }
    }

    private mutating func lost(_ random: inout WorldRandom) {
        let cast = random.sample(Lexicon.people, 2), places = random.sample(Lexicon.places, 2)
        let thing = random.pick(Lexicon.things), colour = random.pick(Lexicon.colours)
        event(.lose, ["A": cast[0], "T": thing, "S": thing.coloured(colour), "O": colour])
        event(.search, ["A": cast[1], "P": places[0]])
        event(.recover, ["A": cast[1], "T": thing, "P": places[1]])
        event(.giveBack, ["A": cast[1], "T": thing, "B": cast[0]])
        ask(.lost, ["T": thing])
        ask(.loser, ["T": thing])
        ask(.finder, ["T": thing])
        ask(.foundPlace, ["T": thing])
    }

    private mutating func consume(
        _ kind: StoryEvent.Kind, _ query: StoryQuery.Kind, _ slot: Character, _ menu: [Word],
        _ random: inout WorldRandom
    ) {
        let cast = random.sample(Lexicon.people, random.within(2...3)), place = random.pick(Lexicon.places)
        let choice = random.sample(menu, 3)
        event(.arrive, ["A": cast[0], "P": place])
        for i in cast.indices {
            event(kind, ["A": cast[i], slot: choice[i]])
            ask(query, ["A": cast[i]])
        }
        ask(.place, ["A": cast[0]])
    }

    private mutating func harvest(_ random: inout WorldRandom) {
        let cast = random.sample(Lexicon.people, 2), fruits = random.sample(Lexicon.fruits, 2)
        let have = random.within(2...9)
        event(.pick, ["A": cast[0], "N": Word(have), "V": fruits[0]])
        if random.chance(50) {
            event(.pickMore, ["A": cast[0], "N": Word(random.within(2...9)), "V": fruits[0]])
        } else if have >= 4 {
            event(.share, ["A": cast[0], "N": Word(random.within(2...(have - 2))), "V": fruits[0], "B": cast[1]])
        }
        if events.count == 1 || random.chance(30) {
            event(.pick, ["A": cast[1], "N": Word(random.within(2...9)), "V": fruits[1]])
            ask(.count, ["A": cast[1], "V": fruits[1]])
        }
        ask(.count, ["A": cast[0], "V": fruits[0]])
    }

    private mutating func race(_ random: inout WorldRandom) {
        let cast = random.sample(Lexicon.people, 3)
        let kinds: [StoryEvent.Kind] = [.rank1, .rank2, .rank3]
        for i in random.shuffled(Array(kinds.indices)) { event(kinds[i], ["A": cast[i], "W": Word(i + 1)]) }
        for kind in [StoryQuery.Kind.winner, .second, .third] { ask(kind, [:]) }
    }

    private mutating func care(_ random: inout WorldRandom) {
        let cast = random.sample(Lexicon.people, 4), needs = random.sample(Lexicon.feelings, 2)
        for i in 0..<random.within(1...2) {
            let a = cast[2 * i], b = cast[2 * i + 1], (feeling, remedy) = needs[i]
            event(.feel, ["A": a, "E": feeling])
            event(.help, ["A": a, "B": b, "H": remedy])
            ask(.reason, ["A": a, "B": b, "H": remedy])
            ask(.remedy, ["A": a, "B": b])
            ask(.helper, ["A": a])
        }
    }

    private mutating func watch(_ random: inout WorldRandom) {
        let cast = random.sample(Lexicon.people, random.within(2...3))
        let places = random.sample(Lexicon.places, 3), animals = random.sample(Lexicon.animals, 3)
        for i in cast.indices {
            event(.see, ["A": cast[i], "X": animals[i], "P": places[i]])
            ask(.animal, ["A": cast[i]])
            ask(.sighting, ["X": animals[i]])
        }
    }

    private mutating func play(_ random: inout WorldRandom) {
        let cast = random.sample(Lexicon.people, 4)
        let places = random.sample(Lexicon.places, 2), games = random.sample(Lexicon.games, 2)
        for i in 0..<2 {
            let words: [Character: Word] = ["A": cast[2 * i], "B": cast[2 * i + 1]]
            event(.play, words.merging(["M": games[i], "P": places[i]]) { a, _ in a })
            ask(.game, words)
        }
    }

    private mutating func week(_ random: inout WorldRandom) {
        let person = random.pick(Lexicon.people), count = random.within(2...3)
        let days = random.sample(Array(Lexicon.days.indices), count).sorted()
        let places = random.sample(Lexicon.places, count)
        for (day, place) in zip(days, places) {
            event(.visit, ["A": person, "D": Lexicon.days[day], "P": place])
            ask(.visit, ["A": person, "D": Lexicon.days[day]])
        }
    }

    private mutating func pet(_ village: Village, _ random: inout WorldRandom) {
        let owners = random.sample(village.residents, 2), places = random.sample(Lexicon.places, 2)
        for i in 0..<2 {
            event(
                .petRuns,
                ["A": owners[i].name, "X": owners[i].pet, "Z": owners[i].petName, "P": places[i]])
            ask(.pet, ["Z": owners[i].petName, "X": owners[i].pet])
        }
    }
}
