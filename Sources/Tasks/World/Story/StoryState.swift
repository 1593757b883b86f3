/// The state after the events so far: where each person is, and what each has.
package struct StoryState: Sendable {
    package enum Relation: String, Sendable {
        case personPlace, thingPlace, holder, giver, finder, found, loser, received, container, putter, garment, colour,
            dish, drink, rank, feeling, remedy, helper, animal, sighting, game, visit, petPlace
    }
    private var facts: [String: Word] = [:]
    private var counts: [String: Int] = [:]

    package init(_ events: [StoryEvent] = []) {
        for event in events { apply(event) }
    }

    package subscript(relation: Relation, of: Word...) -> Word? {
        facts[Self.key(relation, of)]
    }

    package func count(_ person: Word, _ fruit: Word) -> Int { counts[person.id + "/" + fruit.id] ?? 0 }

    private static func key(_ relation: Relation, _ of: [Word]) -> String {
        of.reduce(relation.rawValue) { $0 + "/" + $1.id }
    }

    private mutating func set(_ relation: Relation, _ of: Word..., to value: Word) {
        facts[Self.key(relation, of)] = value
    }

    private mutating func add(_ number: Int, _ person: Word, _ fruit: Word) {
        counts[person.id + "/" + fruit.id, default: 0] += number
    }

    package mutating func apply(_ event: StoryEvent) {
        let a = event["A"], b = event["B"], t = event["T"], p = event["P"]
        switch event.kind {
        case .arrive, .move:
            set(.personPlace, a, to: p)
        case .find, .recover:
            set(.personPlace, a, to: p)
            set(.thingPlace, t, to: p)
            set(.finder, t, to: a)
            set(.found, a, to: t)
            set(.holder, t, to: a)
        case .give, .giveBack:
            set(.holder, t, to: b)
            set(.giver, t, to: a)
            set(.received, b, to: t)
        case .put:
            set(.container, t, to: event["K"])
            set(.putter, t, to: a)
        case .wear:
            set(.garment, a, to: event["G"])
            set(.colour, a, to: event["O"])
        case .eat: set(.dish, a, to: event["F"])
        case .order: set(.drink, a, to: event["R"])
        case .pick, .pickMore: add(Int(event["N"].id) ?? 0, a, event["V"])
        case .share:
            add(-(Int(event["N"].id) ?? 0), a, event["V"])
            add(Int(event["N"].id) ?? 0, b, event["V"])
        case .lose:
            set(.loser, t, to: a)
            set(.colour, t, to: event["O"])
        case .search: set(.personPlace, a, to: p)
        case .rank1, .rank2, .rank3: set(.rank, event["W"], to: a)
        case .feel: set(.feeling, a, to: event["E"])
        case .help:
            set(.remedy, a, to: event["H"])
            set(.helper, a, to: b)
        case .see:
            set(.animal, a, to: event["X"])
            set(.sighting, event["X"], to: p)
        case .play:
            set(.game, a, to: event["M"])
            set(.game, b, to: event["M"])
        case .visit: set(.visit, a, event["D"], to: p)
        case .petRuns: set(.petPlace, event["Z"], to: p)
        }
    }
}
