/// A story in one language with questions about it.
package struct Story: Sendable {
    package let plot: StoryPlot
    package let text: String
    package let exchanges: [WorldExchange]

    /// A story whose people, things and places belong to the split of `draw`.
    package init?(_ draw: inout WorldDraw, village: Village, questions: Int) {
        let plots = StoryPlot.Kind.allCases
        let plot = draw.instance { random in
            let plot = StoryPlot(random.pick(plots), village: village, &random)
            return (plot.instance, plot)
        }
        guard let plot else { return nil }
        self.plot = plot
        let language = draw.language
        text = Self.telling(plot, &draw.random, language)
        let state = StoryState(plot.events)
        exchanges = draw.random.sample(plot.queries, questions).compactMap { query in
            query.answer(state).map { Self.exchange(query, $0, plot, &draw.random, language) }
        }
    }

    private static func telling(
        _ plot: StoryPlot, _ random: inout WorldRandom, _ language: WorldLanguage
    ) -> String {
        var sentences: [String] = []
        let hero = ["A": plot.events.first?["A"] ?? Word("?", "?")] as [Character: Word]
        if random.chance(80) { sentences.append(random.pick(Lexicon.openings[language]).filled(hero, language)) }
        if plot.kind == .race {
            sentences.append(language == .english ? "There was a race." : "大家一起赛跑。")
        }
        for event in plot.events { sentences.append(event.sentence(&random, language)) }
        if random.chance(60) { sentences.append(random.pick(Lexicon.closings[language]).filled(hero, language)) }
        return Wordings.paragraph(sentences, language)
    }

    private static func exchange(
        _ query: StoryQuery, _ answer: Word, _ plot: StoryPlot, _ random: inout WorldRandom, _ language: WorldLanguage
    ) -> WorldExchange {
        let check: WorldCheck
        if let number = Int(answer.id) {
            check = .number(number)
        } else {
            check = .mentions(answer[language], without: rivals(of: answer, query, plot).map { $0[language] })
        }
        return WorldExchange(
            "story.\(query.kind.rawValue)", query.question(&random, language), query.reply(answer, language), check)
    }

    /// Words of the story that could replace the answer. Words that the question mentions are left out, because a reply
    /// may repeat them.
    private static func rivals(of answer: Word, _ query: StoryQuery, _ plot: StoryPlot) -> [Word] {
        let sorts: [Set<Character>] = [
            ["A", "B"], ["P"], ["T"], ["K"], ["O"], ["F"], ["R"], ["X"], ["M"], ["E"], ["H"],
        ]
        let named = Set(query.words.values.map(\.id))
        var found: [String: Word] = [:]
        for sort in sorts
        where plot.events.contains(where: { event in sort.contains { event.words[$0]?.id == answer.id } }) {
            for event in plot.events {
                for slot in sort {
                    if let word = event.words[slot], word.id != answer.id, !named.contains(word.id) {
                        found[word.id] = word
                    }
                }
            }
        }
        return found.keys.sorted().compactMap { found[$0] }
    }
}
