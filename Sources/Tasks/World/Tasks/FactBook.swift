/// All memorised facts: about the people of the village, and some general knowledge.
package struct FactBook: Sendable {
    /// Facts about people, and general facts, in each language.
    private let people, general: [WorldLanguage: [Fact]]

    package init(_ village: Village) {
        let residents = Self.facts(of: village), common = Self.commonFacts
        people = [.english: residents, .chinese: residents]
        general = [
            .english: common + Self.translations(.english), .chinese: common + Self.translations(.chinese),
        ]
    }

    package func facts(_ language: WorldLanguage) -> [Fact] { (people[language] ?? []) + (general[language] ?? []) }

    /// Two of three questions are about people.
    private func fact(_ random: inout WorldRandom, _ language: WorldLanguage) -> Fact? {
        let pool = (random.chance(67) ? people : general)[language] ?? []
        return pool.isEmpty ? nil : random.pick(pool)
    }

    /// A question, or nil if its split has none.
    package func exchange(_ draw: inout WorldDraw) -> WorldExchange? {
        let language = draw.language
        let drawn: (Fact, WorldTemplate)?? = draw.instance { random in
            guard let fact = fact(&random, language) else { return ("", nil) }
            let templates = fact.wordings.questions[language]
            let i = random.below(templates.count)
            return ("fact:\(language.rawValue):\(fact.attribute):\(fact.subject):q\(i)", (fact, templates[i]))
        }
        guard case .some(.some((let fact, let template))) = drawn, let answer = fact.words[fact.asked] else {
            return nil
        }
        let check: WorldCheck
        if let number = Int(answer.id) {
            check = .number(number)
        } else {
            let inverse: WorldLanguage = fact.attribute == "translation" && language == .english ? .chinese : .english
            let tongue = fact.attribute == "translation" ? inverse : language
            let named = Set(fact.words.values.map { $0[tongue] })
            let others = fact.others.map { $0[tongue] }.filter { !named.contains($0) }
            check = .mentions(answer[tongue], without: others)
        }
        return WorldExchange(
            "fact.\(fact.attribute)", template.filled(fact.words, language),
            fact.wordings.reply[language][0].filled(fact.words, language), check)
    }

    /// A few sentences about one person, or single facts if `person` is nil.
    package func passage(_ draw: inout WorldDraw, village: Village, sentences: Int) -> String {
        let language = draw.language
        let resident = draw.random.pick(village.residents).name.id
        let profile = draw.random.chance(70)
        let pool = profile ? (people[language] ?? []).filter { $0.words["A"]?.id == resident } : general[language] ?? []
        guard !pool.isEmpty else { return "" }
        var said: [String] = []
        var used: Set<String> = []
        for _ in 0..<sentences {
            let drawn = draw.instance { random in
                let fact = random.pick(pool)
                let templates = fact.wordings.statements[language]
                let i = random.below(templates.count)
                return ("fact:\(language.rawValue):\(fact.attribute):\(fact.subject):s\(i)", (fact, templates[i]))
            }
            guard let (fact, template) = drawn, used.insert(fact.attribute + fact.subject).inserted else { continue }
            said.append(template.filled(fact.words, language))
        }
        return Wordings.paragraph(said, language)
    }

    private static func facts(of village: Village) -> [Fact] {
        village.residents.flatMap { r -> [Fact] in
            let a = r.name, id = a.id
            let sibling = r.siblingIsFemale ? Word("sister", "姐妹") : Word("brother", "兄弟")
            let names = Lexicon.people
            return [
                Fact("job", id, ["A": a, "J": r.job], "J", Lexicon.jobs, .job),
                Fact("worker", id, ["A": a, "J": r.job], "A", names, .worker),
                Fact("house", id, ["A": a, "C": r.house], "C", Lexicon.colours, .house),
                Fact("pet", id, ["A": a, "X": r.pet], "X", Lexicon.animals, .pet),
                Fact("petname", id, ["A": a, "X": r.pet, "Z": r.petName], "Z", Lexicon.petNames, .petName),
                Fact("dish", id, ["A": a, "F": r.dish], "F", Lexicon.dishes, .dish),
                Fact("hobby", id, ["A": a, "B": r.hobby], "B", Lexicon.hobbies, .hobby),
                Fact("sibling", id, ["A": a, "S": sibling, "D": r.sibling], "D", names, .sibling),
            ]
        }
    }

    private static var commonFacts: [Fact] {
        let days = Lexicon.days
        var facts: [Fact] = []
        for i in days.indices {
            let next = days[(i + 1) % 7]
            facts.append(Fact("after", days[i].id, ["A": days[i], "D": next], "D", days, .dayAfter))
            facts.append(Fact("before", next.id, ["A": next, "D": days[i]], "D", days, .dayBefore))
        }
        for (one, other) in Lexicon.opposites {
            facts.append(Fact("opposite", one.id, ["A": one, "D": other], "D", [], .opposite))
            facts.append(Fact("opposite", other.id, ["A": other, "D": one], "D", [], .opposite))
        }
        for (thing, colour) in Lexicon.colouredThings {
            facts.append(Fact("colour", thing.id, ["A": thing, "C": colour], "C", Lexicon.colours, .colour))
        }
        for (animal, legs) in Lexicon.legs {
            facts.append(Fact("legs", animal.id, ["A": animal, "N": Word(legs)], "N", [], .legs))
        }
        return facts
    }

    private static func translations(_ language: WorldLanguage) -> [Fact] {
        Lexicon.dictionary.map {
            Fact(
                "translation", $0.id, ["A": Word($0[.english], $0[.english]), "D": Word($0[.chinese], $0[.chinese])],
                language == .english ? "D" : "A", [], .translation)
        }
    }
}

extension Fact {
    fileprivate init(
        _ attribute: String, _ subject: String, _ words: [Character: Word], _ asked: Character, _ others: [Word],
        _ wordings: FactWordings
    ) {
        self.init(
            attribute: attribute, subject: subject, words: words, asked: asked, others: others, wordings: wordings)
    }
}
