extension Lexicon {
    /// Jobs: each person of the village has a different one.
    package static let jobs: [Word] = [
        ("baker", "面包师"), ("teacher", "老师"), ("doctor", "医生"), ("farmer", "农夫"), ("painter", "画家"),
        ("singer", "歌手"), ("driver", "司机"), ("cook", "厨师"), ("nurse", "护士"), ("tailor", "裁缝"), ("fisher", "渔夫"),
        ("gardener", "园丁"), ("writer", "作家"), ("carpenter", "木匠"), ("dentist", "牙医"), ("judge", "法官"),
        ("pilot", "飞行员"), ("sailor", "水手"), ("butcher", "屠夫"), ("barber", "理发师"), ("dancer", "舞者"),
        ("postman", "邮递员"), ("engineer", "工程师"), ("librarian", "图书管理员"),
    ].map { Word.thing($0.0, $0.1, "名") }

    package static let petNames: [Word] = [
        ("Mimi", "咪咪"), ("Lucky", "乐乐"), ("Coco", "可可"), ("Bobo", "波波"), ("Kiki", "奇奇"), ("Lulu", "露露"),
        ("Dodo", "多多"), ("Momo", "毛毛"), ("Nini", "妮妮"), ("Toto", "团团"), ("Fifi", "菲菲"), ("Gigi", "吉吉"),
        ("Pepper", "胡椒"), ("Snowy", "雪球"), ("Ginger", "姜姜"), ("Sunny", "阳阳"), ("Shadow", "影子"), ("Biscuit", "酥酥"),
        ("Cloud", "云朵"), ("Star", "星星"), ("Honey", "蜜蜜"), ("Rocky", "石头"), ("Daisy", "菊菊"), ("Pudding", "布丁"),
    ].map { Word($0.0, $0.1) }

    package static let hobbies: [Word] = [
        ("swimming", "游泳"), ("dancing", "跳舞"), ("singing", "唱歌"), ("reading", "读书"), ("cooking", "做饭"),
        ("running", "跑步"), ("fishing", "钓鱼"), ("painting", "画画"), ("skating", "滑冰"), ("climbing", "爬山"),
        ("cycling", "骑车"), ("sewing", "缝纫"),
    ].map { Word($0.0, $0.1) }
}
