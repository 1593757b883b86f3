extension Word {
    private static func article(_ noun: String) -> String {
        "\("aeiou".contains(noun.first ?? "x") ? "an" : "a") \(noun)"
    }

    /// "ball", "a ball", "the ball"; 球, 一个球.
    static func thing(_ english: String, _ chinese: String, _ measure: String = "个", verb: String = "") -> Word {
        Word(
            [.name: english, .a: article(english), .the: "the \(english)", .many: english + "s"],
            [.name: chinese, .a: "一\(measure)\(chinese)", .verb: verb, .many: "\(measure)\(chinese)"])
    }

    /// "the kitchen", "in the kitchen", "to the kitchen"; 厨房, 厨房里.
    static func place(_ english: String, _ chinese: String, _ preposition: String = "in", inside: String = "里") -> Word
    {
        Word(
            [
                .name: english, .a: article(english), .the: "the \(english)", .at: "\(preposition) the \(english)",
                .to: "to the \(english)",
            ],
            [.name: chinese, .at: chinese + inside])
    }

    static func person(_ english: String, _ chinese: String, female: Bool) -> Word {
        Word(
            female
                ? [.name: english, .he: "she", .him: "her", .his: "her"]
                : [.name: english, .he: "he", .him: "him", .his: "his"],
            [.name: chinese, .he: female ? "她" : "他", .him: female ? "她" : "他", .his: female ? "她的" : "他的"])
    }

    /// A countable noun: "apple", "apples"; 苹果, 个苹果.
    static func fruit(_ english: String, _ chinese: String, plural: String? = nil) -> Word {
        Word(
            [.name: english, .a: article(english), .the: "the \(english)", .many: plural ?? english + "s"],
            [.name: chinese, .a: "一个\(chinese)", .many: "个\(chinese)"])
    }

    /// "3 apples"; 3个苹果.
    static func count(_ number: Int, _ noun: Word) -> Word {
        Word(
            "\(number) \(noun[.english, number == 1 ? .name : .many])", "\(number)\(noun[.chinese, .many])")
    }

    /// "red ball", "a red ball", "the red ball"; 红色的球, 一个红色的球.
    package func coloured(_ colour: Word) -> Word {
        let english = "\(colour[.english]) \(self[.english])", chinese = "\(colour[.chinese])的\(self[.chinese])"
        let measure = String(self[.chinese, .many].dropLast(self[.chinese].count))
        return Word(
            [.name: english, .a: Self.article(english), .the: "the \(english)"],
            [.name: chinese, .a: "一\(measure)\(chinese)", .verb: self[.chinese, .verb]])
    }
}

/// The words of the world. A few hundred are enough, because stories combine them in many ways.
package enum Lexicon {
    package static let women: [Word] = [
        ("Anna", "安娜"), ("Mei", "小梅"), ("Lily", "莉莉"), ("Rosa", "罗莎"), ("Emma", "艾玛"), ("Hua", "小花"),
        ("Nora", "诺拉"), ("Lan", "小兰"), ("Ella", "艾拉"), ("Ruth", "露丝"), ("Ivy", "艾薇"), ("Yun", "小云"),
    ].map { .person($0.0, $0.1, female: true) }

    package static let men: [Word] = [
        ("Tom", "汤姆"), ("Ming", "小明"), ("Jack", "杰克"), ("Leo", "里奥"), ("Lei", "小雷"), ("Peter", "彼得"),
        ("Feng", "小峰"), ("Sam", "山姆"), ("Oscar", "奥斯卡"), ("Wei", "小伟"), ("David", "大卫"), ("Paul", "保罗"),
    ].map { .person($0.0, $0.1, female: false) }

    package static let people = women + men

    package static let places: [Word] = [
        .place("kitchen", "厨房"), .place("garden", "花园"), .place("park", "公园"), .place("market", "市场", "at"),
        .place("library", "图书馆"), .place("school", "学校", "at"), .place("river", "河边", "by", inside: ""),
        .place("forest", "森林"), .place("beach", "海滩", "on", inside: "上"), .place("barn", "谷仓"),
        .place("bakery", "面包店", "at"), .place("station", "车站", "at"), .place("museum", "博物馆"),
        .place("farm", "农场", "on"), .place("lake", "湖边", "by", inside: ""), .place("hill", "山坡", "on", inside: "上"),
        .place("bridge", "桥头", "on", inside: ""), .place("bookshop", "书店"), .place("theatre", "剧院"),
        .place("field", "田野"), .place("harbour", "港口", "at", inside: ""), .place("inn", "旅店", "at"),
    ]

    package static let things: [Word] = [
        .thing("ball", "皮球"), .thing("book", "图书", "本"), .thing("kite", "风筝", "只"), .thing("key", "钥匙", "把"),
        .thing("cup", "杯子"), .thing("lamp", "台灯", "盏"), .thing("drum", "小鼓", "面"), .thing("doll", "娃娃"),
        .thing("umbrella", "雨伞", "把"), .thing("watch", "手表", "块"), .thing("coin", "硬币", "枚"),
        .thing("map", "地图", "张"), .thing("pen", "钢笔", "支"), .thing("bell", "铃铛"), .thing("shell", "贝壳", "枚"),
        .thing("flute", "笛子", "支"), .thing("rope", "绳子", "根"), .thing("envelope", "信封"), .thing("camera", "相机", "台"),
        .thing("mirror", "镜子", "面"), .thing("ring", "戒指", "枚"), .thing("bottle", "瓶子"), .thing("ticket", "车票", "张"),
        .thing("candle", "蜡烛", "支"), .thing("spoon", "勺子", "把"), .thing("whistle", "哨子"),
    ]

    package static let containers: [Word] = [
        .place("box", "箱子"), .place("drawer", "抽屉"), .place("basket", "篮子"), .place("bag", "书包"),
        .place("cupboard", "柜子"), .place("bucket", "水桶"), .place("table", "桌子", "on", inside: "上"),
        .place("shelf", "架子", "on", inside: "上"), .place("chair", "椅子", "under", inside: "下面"),
        .place("bed", "小床", "under", inside: "下面"),
    ]

    package static let garments: [Word] = [
        .thing("hat", "帽子", "顶", verb: "戴"), .thing("scarf", "围巾", "条", verb: "戴"),
        .thing("coat", "大衣", "件", verb: "穿"), .thing("sweater", "毛衣", "件", verb: "穿"),
        .thing("jacket", "夹克", "件", verb: "穿"), .thing("shirt", "衬衫", "件", verb: "穿"),
    ]

    package static let colours: [Word] = [
        ("red", "红色"), ("blue", "蓝色"), ("green", "绿色"), ("yellow", "黄色"), ("white", "白色"), ("black", "黑色"),
        ("brown", "棕色"), ("pink", "粉色"), ("purple", "紫色"), ("orange", "橙色"), ("grey", "灰色"), ("golden", "金色"),
    ].map { Word($0.0, $0.1) }

    package static let fruits: [Word] = [
        .fruit("apple", "苹果"), .fruit("pear", "梨子"), .fruit("plum", "李子"), .fruit("lemon", "柠檬"),
        .fruit("peach", "桃子", plural: "peaches"), .fruit("carrot", "胡萝卜"), .fruit("tomato", "番茄", plural: "tomatoes"),
        .fruit("egg", "鸡蛋"), .fruit("nut", "坚果"), .fruit("cookie", "饼干"), .fruit("melon", "甜瓜"),
        .fruit("potato", "土豆", plural: "potatoes"),
    ]

    package static let dishes: [Word] = [
        ("soup", "热汤"), ("rice", "米饭"), ("bread", "面包"), ("noodles", "面条"), ("cheese", "奶酪"), ("fish", "鱼肉"),
        ("salad", "沙拉"), ("dumplings", "饺子"), ("porridge", "粥"), ("pancakes", "煎饼"), ("tofu", "豆腐"),
        ("beans", "豆子"),
    ].map { Word($0.0, $0.1) }

    package static let drinks: [Word] = [
        ("tea", "茶"), ("milk", "牛奶"), ("water", "水"), ("coffee", "咖啡"), ("juice", "果汁"), ("lemonade", "柠檬汁"),
    ].map { Word($0.0, $0.1) }

    package static let animals: [Word] = [
        .thing("cat", "小猫", "只"), .thing("dog", "小狗", "只"), .thing("rabbit", "兔子", "只"), .thing("duck", "鸭子", "只"),
        .thing("horse", "小马", "匹"), .thing("goat", "山羊", "只"), .thing("cow", "奶牛", "头"), .thing("bird", "小鸟", "只"),
        .thing("frog", "青蛙", "只"), .thing("fox", "狐狸", "只"), .thing("owl", "猫头鹰", "只"),
        .thing("turtle", "乌龟", "只"), .thing("squirrel", "松鼠", "只"), .thing("hen", "母鸡", "只"),
        .thing("pig", "小猪", "头"), .thing("monkey", "猴子", "只"), .thing("bear", "棕熊", "头"), .thing("swan", "天鹅", "只"),
    ]

    package static let games: [Word] = [
        ("chess", "象棋"), ("cards", "纸牌"), ("football", "足球"), ("tennis", "网球"), ("basketball", "篮球"),
        ("hide-and-seek", "捉迷藏"), ("ping-pong", "乒乓球"), ("dominoes", "多米诺"),
    ].map { Word($0.0, $0.1) }

    package static let days: [Word] = [
        ("Monday", "星期一"), ("Tuesday", "星期二"), ("Wednesday", "星期三"), ("Thursday", "星期四"), ("Friday", "星期五"),
        ("Saturday", "星期六"), ("Sunday", "星期日"),
    ].map { Word($0.0, $0.1) }
}
