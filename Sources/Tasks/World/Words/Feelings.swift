extension Lexicon {
    /// Feelings, and what helps with each.
    package static let feelings: [(feeling: Word, remedy: Word)] = [
        (Word("hungry", "饿"), Word("a bowl of soup", "一碗热汤")),
        (Word("cold", "冷"), Word("a warm blanket", "一条毯子")),
        (Word("tired", "累"), Word("a soft pillow", "一个枕头")),
        (Word("thirsty", "渴"), Word("a glass of water", "一杯水")),
        (Word("bored", "无聊"), Word("a good book", "一本好书")),
        (Word("sad", "难过"), Word("a big flower", "一朵大花")),
        (Word("lost", "糊涂"), Word("a small map", "一张地图")),
        (Word("wet", "湿"), Word("a dry towel", "一条毛巾")),
        (Word("lonely", "孤单"), Word("a long hug", "一个拥抱")),
        (Word("ill", "虚弱"), Word("some medicine", "一些药")),
    ]

    /// First sentences; no question is about them.
    package static let openings = Wordings(
        [
            "It was a sunny morning.", "One day, it was raining.", "It was early in the morning.",
            "The sun was shining.",
            "It was a quiet afternoon.", "It was a windy day.", "Once upon a time, there was a small village.",
            "It was a warm day in spring.", "It was a cold day in winter.", "The birds were singing.",
            "It was a fine day in summer.", "The leaves were falling.", "Snow lay on the roofs.", "It was a holiday.",
            "This is a story about {A}.", "Let me tell you about {A}.", "Here is a story about {A}.",
            "Do you remember {A}?", "This happened to {A} last week.", "One day, {A} woke up early.",
        ],
        [
            "这是一个晴朗的早晨。", "有一天下着雨。", "天刚刚亮。", "阳光很好。", "这是一个安静的下午。", "那天风很大。",
            "从前，有一个小村子。", "春天到了，天气很暖和。", "冬天很冷。", "小鸟在唱歌。", "这是夏天里的一天。", "秋天，树叶落了。",
            "屋顶上都是雪。", "那天放假。", "这是{A}的故事。", "我来讲讲{A}的故事。", "你还记得{A}吗？", "上个星期发生了一件事。",
            "有一天，{A}起得很早。",
        ])

    /// Last sentences.
    package static let closings = Wordings(
        [
            "It was a lovely day.", "Everyone was happy.", "What a nice day!", "In the evening, the stars came out.",
            "They talked about it for a long time.", "{A} smiled.", "{A} was happy.", "{A} laughed.",
            "And that was that.",
            "Nobody will soon forget it.", "{A} liked this day.", "{A} sang a little song.",
        ],
        [
            "这一天真好。", "大家都很高兴。", "多么好的一天啊！", "晚上，星星出来了。", "他们聊了很久。", "{A}笑了。", "{A}很高兴。",
            "故事讲完了。", "大家都记得这一天。", "{A}喜欢这一天。", "{A}唱起了歌。",
        ])
}
