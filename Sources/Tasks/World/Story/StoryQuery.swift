/// A question about a story, answered from its state.
package struct StoryQuery: StoryPart {
    package enum Kind: String, Sendable, CaseIterable {
        case place, finder, found, foundPlace, holder, giver, received, container, putter, clothes, lost, loser, dish,
            drink,
            count, winner, second, third, reason, remedy, helper, animal, sighting, game, visit, pet
    }
    package let kind: Kind
    package let words: [Character: Word]

    /// The answer as a word; a number as a word. Nil if the story does not give it.
    package func answer(_ state: StoryState) -> Word? {
        let a = self["A"], t = self["T"]
        switch kind {
        case .place: return state[.personPlace, a]
        case .finder: return state[.finder, t]
        case .found: return state[.found, a]
        case .foundPlace: return state[.thingPlace, t]
        case .holder: return state[.holder, t]
        case .giver: return state[.giver, t]
        case .received: return state[.received, a]
        case .container: return state[.container, t]
        case .putter: return state[.putter, t]
        case .clothes: return state[.colour, a]
        case .lost: return state[.colour, t]
        case .loser: return state[.loser, t]
        case .dish: return state[.dish, a]
        case .drink: return state[.drink, a]
        case .count: return Word(state.count(a, self["V"]))
        case .winner: return state[.rank, Word("1", "1")]
        case .second: return state[.rank, Word("2", "2")]
        case .third: return state[.rank, Word("3", "3")]
        case .reason: return state[.feeling, a]
        case .remedy: return state[.remedy, a]
        case .helper: return state[.helper, a]
        case .animal: return state[.animal, a]
        case .sighting: return state[.sighting, self["X"]]
        case .game: return state[.game, a]
        case .visit: return state[.visit, a, self["D"]]
        case .pet: return state[.petPlace, self["Z"]]
        }
    }

    package func question(_ random: inout WorldRandom, _ language: WorldLanguage) -> String {
        wording(Self.questions, &random, language)
    }

    /// The answer as a sentence. Each kind has a single form, because regular answers are learnt fastest.
    package func reply(_ answer: Word, _ language: WorldLanguage) -> String {
        guard let wordings = Self.replies[kind] else { return "" }
        return wordings[language][0].filled(words.merging(["Y": answer]) { a, _ in a }, language)
    }

    package static let questions: [Kind: Wordings] = [
        .place: Wordings(
            ["Where is {A}?", "Where is {A} now?", "Do you know where {A} is?", "Where can I find {A}?"],
            ["{A}在哪里？", "{A}现在在哪里？", "你知道{A}在哪里吗？", "我在哪里可以找到{A}？"]),
        .finder: Wordings(
            ["Who found {T.the}?", "Tell me who found {T.the}."], ["谁找到了{T}？", "是谁找到了{T}？"]),
        .found: Wordings(
            ["What did {A} find?", "Which thing did {A} find?", "Tell me what {A} found."],
            ["{A}找到了什么？", "{A}找到了什么东西？"]),
        .foundPlace: Wordings(
            ["Where was {T.the}?", "In which place was {T.the} found?", "Where did someone find {T.the}?"],
            ["{T}是在哪里找到的？", "在哪里找到了{T}？"]),
        .holder: Wordings(
            ["Who has {T.the}?", "Who has {T.the} now?", "Do you know who has {T.the}?"],
            ["谁有{T}？", "{T}现在在谁那里？", "现在谁有{T}？"]),
        .giver: Wordings(
            ["Who gave {T.the} to {B}?", "Tell me who gave {T.the} to {B}."], ["谁把{T}给了{B}？", "是谁把{T}给了{B}？"]),
        .received: Wordings(
            ["What did {A} get?", "What did {A} get as a present?"], ["{A}得到了什么？", "{A}得到了什么东西？"]),
        .container: Wordings(
            ["Where is {T.the}?", "Where is {T.the} now?", "I need {T.the}. Where is it?"],
            ["{T}在哪里？", "{T}现在在哪里？", "我要用{T}，它在哪里？"]),
        .putter: Wordings(
            ["Who put {T.the} there?", "Who moved {T.the}?"], ["谁放了{T}？", "是谁放了{T}？"]),
        .clothes: Wordings(
            ["What colour is {A}'s {G}?", "Which colour is {A}'s {G}?", "Tell me the colour of {A}'s {G}."],
            ["{A}的{G}是什么颜色？", "{A}的{G}是什么颜色的？"]),
        .lost: Wordings(
            ["What colour is {T.the}?", "Which colour is {T.the}?", "Tell me the colour of {T.the}."],
            ["{T}是什么颜色？", "{T}是什么颜色的？"]),
        .loser: Wordings(
            ["Who lost {T.the}?", "Tell me who lost {T.the}."], ["谁丢了{T}？", "是谁丢了{T}？"]),
        .dish: Wordings(
            ["What did {A} eat?", "Which food did {A} eat?", "What did {A} have to eat?"],
            ["{A}吃了什么？", "{A}吃的是什么？"]),
        .drink: Wordings(
            ["What did {A} drink?", "Which drink did {A} have?", "What did {A} have to drink?"],
            ["{A}喝了什么？", "{A}喝的是什么？"]),
        .count: Wordings(
            [
                "How many {V.many} does {A} have?", "How many {V.many} does {A} have now?",
                "Count the {V.many} that {A} has.",
            ],
            ["{A}有几{V.many}？", "{A}现在有几{V.many}？"]),
        .winner: Wordings(
            ["Who won the race?", "Who was first?", "Who was the fastest?"], ["谁赢了比赛？", "谁是第一名？", "谁跑得最快？"]),
        .second: Wordings(["Who was second?", "Who came second?"], ["谁是第二名？", "谁得了第二名？"]),
        .third: Wordings(["Who was third?", "Who came third?", "Who was last?"], ["谁是第三名？", "谁是最后一名？"]),
        .reason: Wordings(
            ["Why did {B} give {A} {H}?", "How did {A} feel before {B} came?", "How was {A}?"],
            ["{B}为什么给{A}{H}？", "{A}觉得怎么样？"]),
        .remedy: Wordings(
            ["What did {B} give {A}?", "What did {A} get from {B}?"], ["{B}给了{A}什么？", "{A}得到了什么？"]),
        .helper: Wordings(["Who helped {A}?", "Who was kind to {A}?"], ["谁帮助了{A}？", "是谁帮助了{A}？"]),
        .animal: Wordings(
            ["What did {A} see?", "Which animal did {A} see?", "Tell me which animal {A} saw."],
            ["{A}看见了什么？", "{A}看见了什么动物？"]),
        .sighting: Wordings(
            ["Where was {X.the}?", "Where did someone see {X.the}?"], ["{X}在哪里？", "在哪里看见了{X}？"]),
        .game: Wordings(
            ["What did {A} and {B} play?", "Which game did {A} and {B} play?", "What did {A} play with {B}?"],
            ["{A}和{B}玩了什么？", "{A}和{B}玩的是什么？"]),
        .visit: Wordings(
            ["Where did {A} go on {D}?", "Which place did {A} visit on {D}?", "On {D}, where was {A}?"],
            ["{A}{D}去了哪里？", "{D}{A}去了哪里？"]),
        .pet: Wordings(
            ["Where is {Z}?", "Where is {Z} the {X}?", "Where did {Z} run?"], ["{Z}在哪里？", "{X}{Z}跑到哪里去了？"]),
    ]

    package static let replies: [Kind: Wordings] = [
        .place: Wordings(["{A} is {Y.at}."], ["{A}在{Y.at}。"]),
        .finder: Wordings(["{Y} found {T.the}."], ["{Y}找到了{T}。"]),
        .found: Wordings(["{A} found {Y.a}."], ["{A}找到了{Y.a}。"]),
        .foundPlace: Wordings(["{T.the} was {Y.at}."], ["{T}在{Y.at}。"]),
        .holder: Wordings(["{Y} has {T.the}."], ["{Y}有{T}。"]),
        .giver: Wordings(["{Y} gave {T.the} to {B}."], ["{Y}把{T}给了{B}。"]),
        .received: Wordings(["{A} got {Y.the}."], ["{A}得到了{Y}。"]),
        .container: Wordings(["{T.the} is {Y.at}."], ["{T}在{Y.at}。"]),
        .putter: Wordings(["{Y} put {T.the} there."], ["{Y}放了{T}。"]),
        .clothes: Wordings(["{A}'s {G} is {Y}."], ["{A}的{G}是{Y}的。"]),
        .lost: Wordings(["{T.the} is {Y}."], ["{T}是{Y}的。"]),
        .loser: Wordings(["{Y} lost {T.the}."], ["{Y}丢了{T}。"]),
        .dish: Wordings(["{A} ate {Y}."], ["{A}吃了{Y}。"]),
        .drink: Wordings(["{A} drank {Y}."], ["{A}喝了{Y}。"]),
        .count: Wordings(["{A} has {Y} {V.many}."], ["{A}有{Y}{V.many}。"]),
        .winner: Wordings(["{Y} was first."], ["{Y}是第一名。"]),
        .second: Wordings(["{Y} was second."], ["{Y}是第二名。"]),
        .third: Wordings(["{Y} was third."], ["{Y}是第三名。"]),
        .reason: Wordings(["{A} was {Y}."], ["{A}很{Y}。"]),
        .remedy: Wordings(["{B} gave {A} {Y}."], ["{B}给了{A}{Y}。"]),
        .helper: Wordings(["{Y} helped {A}."], ["{Y}帮助了{A}。"]),
        .animal: Wordings(["{A} saw {Y.a}."], ["{A}看见了{Y.a}。"]),
        .sighting: Wordings(["{X.the} was {Y.at}."], ["{X}在{Y.at}。"]),
        .game: Wordings(["{A} and {B} played {Y}."], ["{A}和{B}玩了{Y}。"]),
        .visit: Wordings(["On {D}, {A} went {Y.to}."], ["{D}{A}去了{Y}。"]),
        .pet: Wordings(["{Z} is {Y.at}."], ["{Z}在{Y.at}。"]),
    ]
}
