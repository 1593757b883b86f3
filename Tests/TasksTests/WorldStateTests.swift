import MartletData
import MartletTasks
import Testing

/// Answers a question by reading the story's events from its end, without a state.
private func lookup(_ query: StoryQuery, _ events: [StoryEvent]) -> String? {
    func last(_ kinds: [StoryEvent.Kind], where matches: (StoryEvent) -> Bool) -> StoryEvent? {
        events.last { kinds.contains($0.kind) && matches($0) }
    }
    let a = query["A"].id, t = query["T"].id
    func byA(_ event: StoryEvent) -> Bool { event["A"].id == a }
    func byT(_ event: StoryEvent) -> Bool { event["T"].id == t }
    switch query.kind {
    case .place: return last([.arrive, .move, .find, .recover, .search], where: byA)?["P"].id
    case .finder: return last([.find, .recover], where: byT)?["A"].id
    case .found: return last([.find, .recover], where: byA)?["T"].id
    case .foundPlace: return last([.find, .recover], where: byT)?["P"].id
    case .holder:
        let event = last([.find, .recover, .give, .giveBack], where: byT)
        return event?.words["B"] == nil ? event?["A"].id : event?["B"].id
    case .giver: return last([.give, .giveBack], where: byT)?["A"].id
    case .received: return last([.give, .giveBack]) { $0["B"].id == a }?["T"].id
    case .container: return last([.put], where: byT)?["K"].id
    case .putter: return last([.put], where: byT)?["A"].id
    case .clothes: return last([.wear], where: byA)?["O"].id
    case .lost: return last([.lose], where: byT)?["O"].id
    case .loser: return last([.lose], where: byT)?["A"].id
    case .dish: return last([.eat], where: byA)?["F"].id
    case .drink: return last([.order], where: byA)?["R"].id
    case .count:
        let numbers = events.filter { [.pick, .pickMore, .share].contains($0.kind) && $0["V"].id == query["V"].id }.map
        {
            let number = Int($0["N"].id) ?? 0
            return $0["A"].id == a ? ($0.kind == .share ? -number : number) : $0["B"].id == a ? number : 0
        }
        return String(numbers.reduce(0, +))
    case .winner: return last([.rank1]) { _ in true }?["A"].id
    case .second: return last([.rank2]) { _ in true }?["A"].id
    case .third: return last([.rank3]) { _ in true }?["A"].id
    case .reason: return last([.feel], where: byA)?["E"].id
    case .remedy: return last([.help], where: byA)?["H"].id
    case .helper: return last([.help], where: byA)?["B"].id
    case .animal: return last([.see], where: byA)?["X"].id
    case .sighting: return last([.see]) { $0["X"].id == query["X"].id }?["P"].id
    case .game: return last([.play]) { $0["A"].id == a || $0["B"].id == a }?["M"].id
    case .visit: return last([.visit]) { $0["A"].id == a && $0["D"].id == query["D"].id }?["P"].id
    case .pet: return last([.petRuns]) { $0["Z"].id == query["Z"].id }?["P"].id
    }
}

struct WorldStateTests {
    static let village = Village(seed: 1)

    private func plots(_ count: Int) -> [StoryPlot] {
        (0..<count).flatMap { index in
            StoryPlot.Kind.allCases.map { kind in
                var random = WorldRandom(11, UInt64(index))
                return StoryPlot(kind, village: Self.village, &random)
            }
        }
    }

    @Test func answersAreWhatASecondReadingOfTheEventsGives() {
        for plot in plots(400) {
            let state = StoryState(plot.events)
            #expect(!plot.queries.isEmpty)
            for query in plot.queries { #expect(query.answer(state)?.id == lookup(query, plot.events), "\(plot)") }
        }
    }

    @Test func everyAnswerStandsInItsStory() {
        for language in WorldLanguage.allCases {
            for index in 0..<1500 {
                var draw = WorldDraw(random: WorldRandom(5, UInt64(index)), split: .train, language: language)
                guard let story = Story(&draw, village: Self.village, questions: 3) else { continue }
                for exchange in story.exchanges {
                    if case .mentions(let word, let others) = exchange.check {
                        #expect(story.text.contains(word), "\(word): \(story.text)")
                        #expect(!others.contains(word))
                    }
                }
            }
        }
    }

    @Test func everyWordingFillsEverySlot() {
        for plot in plots(60) {
            for language in WorldLanguage.allCases {
                for event in plot.events {
                    for template in StoryEvent.wordings[event.kind]?[language] ?? [] {
                        let sentence = template.filled(event.words, language)
                        #expect(
                            !sentence.contains("{") && !sentence.contains("?") && !sentence.isEmpty,
                            "\(template.source)")
                    }
                }
                for query in plot.queries {
                    for template in StoryQuery.questions[query.kind]?[language] ?? [] {
                        #expect(!template.filled(query.words, language).contains("{"), "\(template.source)")
                    }
                }
            }
        }
        for kind in StoryEvent.Kind.allCases {
            for language in WorldLanguage.allCases { #expect(StoryEvent.wordings[kind]?[language].isEmpty == false) }
        }
    }

    @Test func everyoneHasAJobAPetAndASiblingThatAgrees() {
        for seed: UInt64 in 1...20 {
            let residents = Village(seed: seed).residents
            #expect(Set(residents.map(\.name.id)).count == Lexicon.people.count)
            #expect(Set(residents.map(\.job.id)).count == residents.count)
            #expect(Set(residents.map(\.petName.id)).count == residents.count)
            for resident in residents {
                let sibling = residents.first { $0.name.id == resident.sibling.id }
                #expect(sibling?.sibling.id == resident.name.id && sibling?.house.id == resident.house.id)
                #expect(sibling?.isFemale == resident.siblingIsFemale)
            }
        }
    }

    @Test func factsAreTrueOfTheVillage() {
        let book = FactBook(Self.village)
        for resident in Self.village.residents {
            let facts = book.facts(.english).filter { $0.subject == resident.name.id }
            func word(_ attribute: String, _ slot: Character) -> String? {
                facts.first { $0.attribute == attribute }?.words[slot]?.id
            }
            #expect(word("job", "J") == resident.job.id && word("pet", "X") == resident.pet.id)
            #expect(word("house", "C") == resident.house.id && word("sibling", "D") == resident.sibling.id)
        }
        for fact in book.facts(.english) where fact.attribute == "after" || fact.attribute == "before" {
            let one = Lexicon.days.firstIndex { $0.id == fact.subject } ?? -1
            let step = fact.attribute == "after" ? 1 : 6
            #expect(fact.words["D"]?.id == Lexicon.days[(one + step) % 7].id)
        }
    }

    @Test func everyFactOfThePeopleIsAskedInTraining() {
        for language in WorldLanguage.allCases {
            for fact in FactBook(Self.village).facts(language) {
                let wordings = fact.wordings.questions[language]
                let kept = wordings.indices.count {
                    WorldSplit.side(of: "fact:\(language.rawValue):\(fact.attribute):\(fact.subject):q\($0)")
                        == .validation
                }
                #expect(kept < wordings.count, "\(fact.attribute) of \(fact.subject)")
            }
        }
    }

    /// A word inside another of its kind would let a wrong reply pass for a right one.
    @Test func noWordIsPartOfAnotherOfItsKind() {
        let kinds = [
            Lexicon.people, Lexicon.places, Lexicon.things, Lexicon.containers, Lexicon.garments, Lexicon.colours,
            Lexicon.fruits, Lexicon.dishes, Lexicon.drinks, Lexicon.animals, Lexicon.games, Lexicon.days, Lexicon.jobs,
            Lexicon.petNames, Lexicon.hobbies, Lexicon.feelings.map(\.feeling), Lexicon.feelings.map(\.remedy),
        ]
        for words in kinds {
            for language in WorldLanguage.allCases {
                #expect(Set(words.map { $0[language] }).count == words.count)
                for (i, word) in words.enumerated() {
                    for (j, other) in words.enumerated() where i != j {
                        let check = WorldCheck.mentions(word[language], without: [])
                        #expect(!check.accepts(other[language]), "\(word[language]) in \(other[language])")
                    }
                }
            }
        }
    }
}
