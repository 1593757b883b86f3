/// A permanent fact, and the ways it is stated and asked for.
package struct Fact: Sendable {
    /// "job", "day": the category of questions about it.
    package let attribute: String
    /// The subject; with the attribute and a wording it identifies the instance.
    package let subject: String
    package let words: [Character: Word]
    /// The slot whose word is the answer.
    package let asked: Character
    /// Words that the answer slot has in other facts.
    package let others: [Word]
    package let wordings: FactWordings
}

/// The wordings of statements, questions and replies for facts of one attribute.
package struct FactWordings: Sendable {
    package let statements, questions, reply: Wordings

    package static let job = FactWordings(
        statements: Wordings(
            [
                "{A} works as {J.a}.", "{A} is the village {J}.", "Everyone knows {A} the {J}.",
                "If you need {J.a}, ask {A}.",
            ],
            ["{A}的工作是{J}。", "村里的{J}叫{A}。", "大家都认识{J}{A}。", "要找{J}，就去找{A}。"]),
        questions: Wordings(
            [
                "What is {A}'s job?", "What does {A} do for work?", "What work does {A} do?", "Tell me {A}'s job.",
                "What does {A} do for a living?",
            ],
            ["{A}是做什么工作的？", "{A}的工作是什么？", "{A}做什么工作？", "请告诉我{A}的工作。", "{A}以什么为生？"]),
        reply: Wordings(["{A} is {J.a}."], ["{A}是{J.a}。"]))

    package static let worker = FactWordings(
        statements: Wordings(
            ["The {J} is called {A}.", "In the village, the {J} is {A}.", "The name of the {J} is {A}."],
            ["这里的{J}是{A}。", "{J}的名字是{A}。", "村子里，{J}就是{A}。"]),
        questions: Wordings(
            [
                "Who is the {J}?", "Who works as {J.a}?", "What is the name of the {J}?", "What is the {J} called?",
                "Tell me who the {J} is.",
            ],
            ["谁是{J}？", "{J}是谁？", "{J}叫什么名字？", "请问谁是{J}？", "村里的{J}是谁？"]),
        reply: Wordings(["{A} is the {J}."], ["{A}是{J}。"]))

    package static let house = FactWordings(
        statements: Wordings(
            ["{A} lives in the {C} house.", "The house where {A} lives is {C}.", "{A} has painted {A.his} house {C}."],
            ["{A}住在{C}的房子里。", "{A}家的房子是{C}的。", "{A}把房子刷成了{C}。"]),
        questions: Wordings(
            [
                "What colour is {A}'s house?", "Which colour does {A}'s house have?", "In which house does {A} live?",
                "Tell me the colour of {A}'s house.",
            ],
            ["{A}的房子是什么颜色？", "{A}的房子是什么颜色的？", "{A}住在哪个房子里？", "请告诉我{A}的房子的颜色。"]),
        reply: Wordings(["{A}'s house is {C}."], ["{A}的房子是{C}的。"]))

    package static let pet = FactWordings(
        statements: Wordings(
            [
                "{A} keeps {X.a} as a pet.", "{A}'s pet is {X.a}.", "{A} often walks with {A.his} {X}.",
                "{X.a} lives with {A}.",
            ],
            ["{A}养了{X.a}。", "{A}的宠物是{X.a}。", "{A}常常带着{X}散步。", "{X.a}和{A}住在一起。"]),
        questions: Wordings(
            [
                "What pet does {A} have?", "Which animal lives with {A}?", "What kind of pet does {A} have?",
                "Tell me what pet {A} has.",
            ],
            ["{A}有什么宠物？", "{A}养了什么动物？", "{A}的宠物是什么？", "请告诉我{A}有什么宠物。"]),
        reply: Wordings(["{A} has {X.a}."], ["{A}有{X.a}。"]))

    package static let petName = FactWordings(
        statements: Wordings(
            ["{Z} is the name of {A}'s {X}.", "{A} calls {A.his} {X} {Z}.", "{Z} is {A}'s {X}."],
            ["{Z}是{A}的{X}。", "{A}给{X}起名叫{Z}。", "{A}的宠物名字是{Z}。"]),
        questions: Wordings(
            [
                "What is {A}'s {X} called?", "What is the name of {A}'s {X}?", "Tell me the name of {A}'s {X}.",
                "What is {A}'s pet called?",
            ],
            ["{A}的{X}叫什么？", "{A}的{X}叫什么名字？", "{A}的宠物叫什么？", "请告诉我{A}的{X}的名字。"]),
        reply: Wordings(["{A}'s {X} is called {Z}."], ["{A}的{X}叫{Z}。"]))

    package static let dish = FactWordings(
        statements: Wordings(
            ["{A} likes {F} best.", "{A} loves to eat {F}.", "{A} could eat {F} every day."],
            ["{A}最喜欢吃{F}。", "{A}天天都想吃{F}。", "{A}觉得{F}最好吃。"]),
        questions: Wordings(
            [
                "What is {A}'s favourite food?", "What does {A} like to eat?", "Which food does {A} like best?",
                "What should I cook for {A}?",
            ],
            ["{A}最爱吃什么？", "{A}喜欢吃什么？", "{A}喜欢的食物是什么？", "我该给{A}做什么吃？"]),
        reply: Wordings(["{A}'s favourite food is {F}."], ["{A}最爱吃{F}。"]))

    package static let hobby = FactWordings(
        statements: Wordings(
            ["{A} enjoys {B}.", "On Sundays, {A} loves {B}.", "{A} never gets tired of {B}."],
            ["{A}喜欢{B}。", "星期日，{A}总是去{B}。", "{A}对{B}从不厌倦。"]),
        questions: Wordings(
            ["What is {A}'s hobby?", "What does {A} enjoy?", "What does {A} do for fun?", "Tell me {A}'s hobby."],
            ["{A}的爱好是什么？", "{A}有什么爱好？", "{A}喜欢做什么？", "请告诉我{A}的爱好。"]),
        reply: Wordings(["{A}'s hobby is {B}."], ["{A}的爱好是{B}。"]))

    package static let sibling = FactWordings(
        statements: Wordings(
            ["{A} has a {S} named {D}.", "{D} is the {S} of {A}.", "{A} lives with {A.his} {S} {D}."],
            ["{A}有一个{S}叫{D}。", "{D}是{A}的{S}。", "{A}和{S}{D}住在一起。"]),
        questions: Wordings(
            [
                "Who is {A}'s {S}?", "What is the name of {A}'s {S}?", "What is {A}'s {S} called?",
                "Tell me who {A}'s {S} is.",
            ],
            ["{A}的{S}是谁？", "{A}的{S}叫什么？", "{A}的{S}叫什么名字？", "谁是{A}的{S}？"]),
        reply: Wordings(["{A}'s {S} is {D}."], ["{A}的{S}是{D}。"]))

    package static let dayAfter = FactWordings(
        statements: Wordings(["After {A}, it is {D}.", "{A} is followed by {D}."], ["过了{A}就是{D}。", "{A}完了是{D}。"]),
        questions: Wordings(
            ["What day comes after {A}?", "Which day follows {A}?", "If today is {A}, what is tomorrow?"],
            ["{A}后面是星期几？", "今天是{A}，明天是星期几？", "{A}的第二天是星期几？"]),
        reply: Wordings(["{D} comes after {A}."], ["{A}后面是{D}。"]))

    package static let dayBefore = FactWordings(
        statements: Wordings(["Before {A}, it is {D}."], ["{A}的前面一天是{D}。"]),
        questions: Wordings(
            ["What day comes before {A}?", "Which day is before {A}?", "If today is {A}, what was yesterday?"],
            ["{A}前面是星期几？", "今天是{A}，昨天是星期几？", "{A}的前一天是星期几？"]),
        reply: Wordings(["{D} comes before {A}."], ["{A}前面是{D}。"]))

    package static let opposite = FactWordings(
        statements: Wordings(
            ["If it is not {A}, it may be {D}.", "{A} and {D} are opposites."], ["不是{A}，就可能是{D}。", "“{A}”和“{D}”意思相反。"]),
        questions: Wordings(
            ["What is the opposite of {A}?", "Tell me the opposite of {A}.", "Which word means the opposite of {A}?"],
            ["“{A}”的反义词是什么？", "什么是“{A}”的反义词？", "和“{A}”相反的词是什么？"]),
        reply: Wordings(["The opposite of {A} is {D}."], ["“{A}”的反义词是“{D}”。"]))

    package static let colour = FactWordings(
        statements: Wordings(["We all know that {A} has the colour {C}."], ["大家都知道{A}的颜色是{C}。"]),
        questions: Wordings(
            [
                "What colour is {A}?", "Which colour is {A}?", "Tell me the colour of {A}.",
                "What is the colour of {A}?",
            ],
            ["{A}是什么颜色？", "{A}是什么颜色的？", "{A}的颜色是什么？", "请告诉我{A}的颜色。"]),
        reply: Wordings(["{A} is {C}."], ["{A}是{C}的。"]))

    package static let legs = FactWordings(
        statements: Wordings(["{A.a} walks on {N} legs."], ["{A}用{N}条腿走路。"]),
        questions: Wordings(
            ["How many legs does {A.a} have?", "How many legs has {A.a}?", "Count the legs of {A.a}."],
            ["{A}有几条腿？", "{A}长着几条腿？", "请问{A}有几条腿？"]),
        reply: Wordings(["{A.a} has {N} legs."], ["{A}有{N}条腿。"]))

    /// English wordings ask for the Chinese word, and Chinese wordings for the English one. Q is quoted in the style of
    /// its language.
    package static let translation = FactWordings(
        statements: Wordings(
            ["The Chinese word for {A} is {D}.", "Chinese speakers say {D} for {A}."],
            ["“{D}”在英语里叫 {A}。", "英国人把“{D}”叫做 {A}。"]),
        questions: Wordings(
            ["How do you say {A} in Chinese?", "What is {A} in Chinese?", "Translate {A} into Chinese."],
            ["“{D}”用英语怎么说？", "“{D}”的英语是什么？", "把“{D}”翻译成英语。"]),
        reply: Wordings(["In Chinese, {A} is {D}."], ["“{D}”的英语是 {A}。"]))
}
