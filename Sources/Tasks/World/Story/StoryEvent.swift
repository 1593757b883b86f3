/// An event of a story. Slots: A, B, C people; P a place, T a thing (S with its colour), K a container, G a garment, O
/// a colour, F a dish, R a drink, V fruit, N a number, X an animal, Z its name, M a game, D a day, E a feeling, H what
/// helps.
package struct StoryEvent: StoryPart {
    package enum Kind: String, Sendable, CaseIterable {
        case arrive, move, find, recover, give, giveBack, put, wear, eat, order, pick, pickMore, share, lose, search,
            rank1,
            rank2, rank3, feel, help, see, play, visit, petRuns
    }
    package let kind: Kind
    package let words: [Character: Word]

    package func sentence(_ random: inout WorldRandom, _ language: WorldLanguage) -> String {
        wording(Self.wordings, &random, language)
    }

    package static let wordings: [Kind: Wordings] = [
        .arrive: Wordings(
            ["{A} was {P.at}.", "{A} was sitting {P.at}.", "{A} was waiting {P.at}.", "{P.at}, {A} was reading."],
            ["{A}在{P.at}。", "{A}坐在{P.at}。", "{A}在{P.at}等人。", "{A}正在{P.at}看书。"]),
        .move: Wordings(
            [
                "{A} went {P.to}.", "{A} walked {P.to}.", "Then {A} went {P.to}.", "After that, {A} ran {P.to}.",
                "Later, {A} went {P.to}.", "{A} got up and went {P.to}.",
            ],
            ["{A}去了{P}。", "{A}走到了{P}。", "然后{A}去了{P}。", "接着{A}跑到了{P}。", "后来{A}去了{P}。"]),
        .find: Wordings(
            [
                "{A} found {T.a} {P.at}.", "{P.at}, {A} found {T.a}.", "{A} looked around {P.at} and found {T.a}.",
                "{A} was lucky and found {T.a} {P.at}.",
            ],
            ["{A}在{P.at}找到了{T.a}。", "在{P.at}{A}找到了{T.a}。", "{A}运气很好，在{P.at}找到了{T.a}。"]),
        // The thing was mentioned before.
        .recover: Wordings(
            [
                "{A} found {T.the} {P.at}.", "{P.at}, {A} found {T.the} at last.",
                "{A} looked {P.at} and found {T.the}.",
                "But then {A} found {T.the} {P.at}.",
            ],
            ["{A}在{P.at}找到了{T}。", "最后{A}在{P.at}找到了{T}。", "{A}运气很好，在{P.at}找到了{T}。"]),
        .give: Wordings(
            [
                "{A} gave {T.the} to {B}.", "{A} handed {T.the} to {B}.", "Then {A} gave {T.the} to {B}.",
                "{B} liked {T.the}, so {A} gave it to {B}.",
            ],
            ["{A}把{T}给了{B}。", "{A}把{T}送给了{B}。", "后来{A}把{T}给了{B}。", "{B}很喜欢{T}，{A}就把它给了{B}。"]),
        .giveBack: Wordings(
            [
                "{A} gave {T.the} back to {B}.", "{A} brought {T.the} back to {B}.",
                "{B} was glad to have {T.the} again.",
            ],
            ["{A}把{T}还给了{B}。", "{B}又有了{T}，非常高兴。"]),
        .put: Wordings(
            [
                "{A} put {T.the} {K.at}.", "{A} hid {T.the} {K.at}.", "{A} left {T.the} {K.at}.",
                "Then {A} put {T.the} {K.at}.",
            ],
            ["{A}把{T}放在{K.at}。", "{A}把{T}藏在{K.at}。", "然后{A}把{T}放在{K.at}。"]),
        .wear: Wordings(
            ["{A} wore {G.a}.", "{A} was wearing {G.a}.", "{A} put on {G.a}.", "{A} had {G.a} on."],
            ["{A}{G.verb}着{G.a}。", "{A}{G.verb}上了{G.a}。", "今天{A}{G.verb}着{G.a}。"]),
        .eat: Wordings(
            ["{A} ate {F}.", "{A} had {F} for lunch.", "{A} had {F} for dinner.", "{A} was hungry and ate {F}."],
            ["{A}吃了{F}。", "{A}午饭吃了{F}。", "{A}晚饭吃了{F}。", "{A}饿了，吃了{F}。"]),
        .order: Wordings(
            [
                "{A} drank {R}.", "{A} had a cup of {R}.", "{A} asked for {R} and drank it.",
                "{A} was thirsty and drank {R}.",
            ],
            ["{A}喝了{R}。", "{A}喝了一杯{R}。", "{A}渴了，喝了{R}。"]),
        .pick: Wordings(
            ["{A} had {N} {V.many}.", "{A} bought {N} {V.many}.", "At first, {A} had {N} {V.many}."],
            ["{A}有{N}{V.many}。", "{A}买了{N}{V.many}。", "一开始{A}有{N}{V.many}。"]),
        .pickMore: Wordings(
            [
                "Then {A} got {N} more {V.many}.", "{A} bought {N} more {V.many}.",
                "Later, {A} found {N} more {V.many}.",
            ],
            ["然后{A}又买了{N}{V.many}。", "后来{A}又得到了{N}{V.many}。"]),
        .share: Wordings(
            ["{A} gave {N} {V.many} to {B}.", "Then {A} gave {N} {V.many} to {B}."],
            ["{A}给了{B}{N}{V.many}。", "然后{A}给了{B}{N}{V.many}。"]),
        .lose: Wordings(
            ["{A} lost {S.a}.", "{A} had {S.a}, but then it was gone.", "One morning, {A} lost {S.a}."],
            ["{A}丢了{S.a}。", "{A}有{S.a}，可是不见了。", "一天早上{A}丢了{S.a}。"]),
        .search: Wordings(
            [
                "{A} looked {P.at}, but it was not there.", "It was not {P.at}.",
                "{A} searched {P.at} and found nothing.",
            ],
            ["{A}在{P.at}找了找，可是没有。", "它不在{P.at}。", "{A}在{P.at}什么也没找到。"]),
        .rank1: Wordings(["{A} was first.", "{A} came first."], ["{A}是第一名。", "{A}得了第一名。"]),
        .rank2: Wordings(["{A} was second.", "{A} came second."], ["{A}是第二名。", "{A}得了第二名。"]),
        .rank3: Wordings(["{A} was third.", "{A} came third."], ["{A}是第三名。", "{A}得了第三名。"]),
        .feel: Wordings(
            ["{A} was {E}.", "That day, {A} was {E}.", "{A} was very {E}."],
            ["{A}很{E}。", "那天{A}很{E}。", "{A}觉得很{E}。"]),
        .help: Wordings(
            ["{B} gave {A} {H}.", "{B} came and gave {A} {H}.", "{B} wanted to help and gave {A} {H}."],
            ["{B}给了{A}{H}。", "{B}来了，给了{A}{H}。", "{B}想帮忙，给了{A}{H}。"]),
        .see: Wordings(
            ["{A} saw {X.a} {P.at}.", "{P.at}, {A} saw {X.a}.", "{A} was walking {P.at} and saw {X.a}."],
            ["{A}在{P.at}看见了{X.a}。", "在{P.at}{A}看见了{X.a}。"]),
        .play: Wordings(
            ["{A} and {B} played {M} {P.at}.", "{P.at}, {A} and {B} played {M}.", "{A} played {M} with {B} {P.at}."],
            ["{A}和{B}在{P.at}玩{M}。", "在{P.at}{A}和{B}一起玩{M}。"]),
        .visit: Wordings(
            ["On {D}, {A} went {P.to}.", "{A} went {P.to} on {D}.", "On {D}, {A} visited {P.the}."],
            ["{D}{A}去了{P}。", "{A}{D}去了{P}。"]),
        .petRuns: Wordings(
            ["{Z} the {X} ran {P.to}.", "{Z}, {A}'s {X}, ran {P.to}.", "{A}'s {X} {Z} ran {P.to}."],
            ["{X}{Z}跑到了{P}。", "{A}的{X}{Z}跑到了{P}。"]),
    ]
}
