extension Lexicon {
    package static let opposites: [(Word, Word)] = [
        ("hot", "热", "cold", "冷"), ("big", "大", "small", "小"), ("old", "旧", "new", "新"), ("fast", "快", "slow", "慢"),
        ("tall", "高", "short", "矮"), ("wet", "湿", "dry", "干"), ("full", "满", "empty", "空"),
        ("open", "开", "closed", "关"),
        ("happy", "高兴", "sad", "难过"), ("day", "白天", "night", "黑夜"), ("up", "上", "down", "下"),
        ("left", "左", "right", "右"), ("heavy", "重", "light", "轻"), ("hard", "硬", "soft", "软"),
        ("rich", "富", "poor", "穷"),
        ("early", "早", "late", "晚"), ("near", "近", "far", "远"), ("true", "真", "false", "假"),
        ("long", "长", "brief", "短"),
        ("loud", "吵闹", "quiet", "安静"),
    ].map { (Word($0.0, $0.1), Word($0.2, $0.3)) }

    package static let colouredThings: [(Word, Word)] = {
        let table: [(String, String, Int)] = [
            ("grass", "草", 2), ("snow", "雪", 4), ("the sky", "天空", 1), ("a tomato", "番茄", 0), ("a lemon", "柠檬", 3),
            ("coal", "煤", 5), ("milk", "牛奶", 4), ("a carrot", "胡萝卜", 9), ("wood", "木头", 6), ("a leaf", "树叶", 2),
            ("the sea", "大海", 1), ("a cherry", "樱桃", 0), ("a banana", "香蕉", 3), ("a crow", "乌鸦", 5),
            ("a mouse", "老鼠", 10),
            ("chocolate", "巧克力", 6), ("a rose", "玫瑰", 0), ("salt", "盐", 4), ("a cucumber", "黄瓜", 2),
            ("an eggplant", "茄子", 8),
        ]
        return table.map { (Word($0.0, $0.1), colours[$0.2]) }
    }()

    package static let legs: [(Word, Int)] = [
        (.thing("dog", "小狗", "只"), 4), (.thing("bird", "小鸟", "只"), 2), (.thing("spider", "蜘蛛", "只"), 8),
        (.thing("bee", "蜜蜂", "只"), 6), (.thing("horse", "小马", "匹"), 4), (.thing("duck", "鸭子", "只"), 2),
        (.thing("ant", "蚂蚁", "只"), 6), (.thing("cow", "奶牛", "头"), 4), (.thing("hen", "母鸡", "只"), 2),
        (.thing("fly", "苍蝇", "只"), 6), (.thing("cat", "小猫", "只"), 4), (.thing("swan", "天鹅", "只"), 2),
        (.thing("crab", "螃蟹", "只"), 8), (.thing("goat", "山羊", "只"), 4),
    ]

    /// Words for translation questions.
    package static let dictionary: [Word] =
        animals + colours + things + drinks + places + dishes

    /// Words for spelling questions: single English nouns.
    package static let spelt: [Word] = animals + things + colours + garments + containers + places + fruits + dishes
}
