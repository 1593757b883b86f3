import MartletJSON

/// Examinations in Chinese, four choices each: C-Eval (Huang et al. 2023) and CMMLU (Li et al. 2023), a task for each
/// subject, five examples from its own development set.
enum ChineseExams {
    static let groups: [(name: String, value: JSONObject)] = [
        ("ceval-valid", group("ceval-valid", ceval.map { "ceval-valid_\($0.name)" }, version: 2)),
        ("cmmlu", group("cmmlu", cmmlu.map { "cmmlu_\($0.name)" }, version: 1)),
    ]

    static let tasks: [(name: String, value: JSONObject)] =
        ceval.map { subject in
            task(
                "ceval-valid_\(subject.name)", dataset: "ceval/ceval-exam", subject.name, question: "question",
                answer: "answer", description: "以下是中国关于\(subject.title)的单项选择题，请选出其中的正确答案。\n\n",
                splits: ["validation_split": "val"], version: 2)
        }
        + cmmlu.map { subject in
            task(
                "cmmlu_\(subject.name)", dataset: "haonan-li/cmmlu", subject.name, question: "Question",
                answer: "Answer", description: "以下是关于\(subject.title)的单项选择题，请直接给出正确答案的选项。\n\n",
                splits: ["test_split": "test"], version: 1)
        }

    /// How many questions each task has.
    static let publishedRows = Dictionary(
        uniqueKeysWithValues: ceval.map { ("ceval-valid_\($0.name)", $0.rows) }
            + cmmlu.map { ("cmmlu_\($0.name)", $0.rows) })

    private static func group(_ name: String, _ tasks: [String], version: Int64) -> JSONObject {
        [
            "group": .string(name), "task": .array(tasks.map { .string($0) }),
            "aggregate_metric_list": [
                ["metric": "acc", "weight_by_size": true], ["metric": "acc_norm", "weight_by_size": true],
            ],
            "metadata": ["version": .integer(version)],
        ]
    }

    private static func task(
        _ name: String, dataset: String, _ subject: String, question: String, answer: String, description: String,
        splits: JSONObject, version: Int64
    ) -> (name: String, value: JSONObject) {
        var value: JSONObject = [
            "task": .string(name), "dataset_path": .string(dataset), "dataset_name": .string(subject),
            "fewshot_split": "dev", "fewshot_config": ["sampler": "first_n"], "output_type": "multiple_choice",
            "description": .string(description),
            "doc_to_text": .string("{{\(question).strip()}}\nA. {{A}}\nB. {{B}}\nC. {{C}}\nD. {{D}}\n答案："),
            "doc_to_choice": ["A", "B", "C", "D"],
            "doc_to_target": .string("{{['A', 'B', 'C', 'D'].index(\(answer))}}"),
            "metric_list": BuiltInTasks.bothAccuracies, "metadata": ["version": .integer(version)],
        ]
        for (key, split) in splits { value[key] = split }
        return (name, value)
    }

    /// The rows are those of the validation split; 1,346 in all.
    private static let ceval: [(name: String, title: String, rows: Int)] = [
        ("accountant", "注册会计师", 49), ("advanced_mathematics", "高等数学", 19), ("art_studies", "艺术学", 33),
        ("basic_medicine", "基础医学", 19), ("business_administration", "工商管理", 33),
        ("chinese_language_and_literature", "中国语言文学", 23), ("civil_servant", "公务员", 47),
        ("clinical_medicine", "临床医学", 22), ("college_chemistry", "大学化学", 24),
        ("college_economics", "大学经济学", 55), ("college_physics", "大学物理", 19),
        ("college_programming", "大学编程", 37), ("computer_architecture", "计算机组成", 21),
        ("computer_network", "计算机网络", 19), ("discrete_mathematics", "离散数学", 16),
        ("education_science", "教育学", 29), ("electrical_engineer", "注册电气工程师", 37),
        ("environmental_impact_assessment_engineer", "环境影响评价工程师", 31), ("fire_engineer", "注册消防工程师", 31),
        ("high_school_biology", "高中生物", 19), ("high_school_chemistry", "高中化学", 19),
        ("high_school_chinese", "高中语文", 19), ("high_school_geography", "高中地理", 19),
        ("high_school_history", "高中历史", 20), ("high_school_mathematics", "高中数学", 18),
        ("high_school_physics", "高中物理", 19), ("high_school_politics", "高中政治", 19),
        ("ideological_and_moral_cultivation", "思想道德修养与法律基础", 19), ("law", "法学", 24),
        ("legal_professional", "法律职业资格", 23), ("logic", "逻辑学", 22),
        ("mao_zedong_thought", "毛泽东思想和中国特色社会主义理论体系概论", 24), ("marxism", "马克思主义基本原理", 19),
        ("metrology_engineer", "注册计量师", 24), ("middle_school_biology", "初中生物", 21),
        ("middle_school_chemistry", "初中化学", 20), ("middle_school_geography", "初中地理", 12),
        ("middle_school_history", "初中历史", 22), ("middle_school_mathematics", "初中数学", 19),
        ("middle_school_physics", "初中物理", 19), ("middle_school_politics", "初中政治", 21),
        ("modern_chinese_history", "近代史纲要", 23), ("operating_system", "操作系统", 19), ("physician", "医师资格", 49),
        ("plant_protection", "植物保护", 22), ("probability_and_statistics", "概率统计", 18),
        ("professional_tour_guide", "导游资格", 29), ("sports_science", "体育学", 19), ("tax_accountant", "税务师", 49),
        ("teacher_qualification", "教师资格", 44), ("urban_and_rural_planner", "注册城乡规划师", 46),
        ("veterinary_medicine", "兽医学", 23),
    ]

    /// 11,582 rows in all.
    private static let cmmlu: [(name: String, title: String, rows: Int)] = [
        ("agronomy", "农学", 169), ("anatomy", "解剖学", 148), ("ancient_chinese", "古汉语", 164), ("arts", "艺术学", 160),
        ("astronomy", "天文学", 165), ("business_ethics", "商业伦理", 209),
        ("chinese_civil_service_exam", "中国公务员考试", 160), ("chinese_driving_rule", "中国驾驶规则", 131),
        ("chinese_food_culture", "中国饮食文化", 136), ("chinese_foreign_policy", "中国外交政策", 107),
        ("chinese_history", "中国历史", 323), ("chinese_literature", "中国文学", 204),
        ("chinese_teacher_qualification", "中国教师资格", 179), ("clinical_knowledge", "临床知识", 237),
        ("college_actuarial_science", "大学精算学", 106), ("college_education", "大学教育学", 107),
        ("college_engineering_hydrology", "大学工程水文学", 106), ("college_law", "大学法律", 108),
        ("college_mathematics", "大学数学", 105), ("college_medical_statistics", "大学医学统计", 106),
        ("college_medicine", "大学医学", 273), ("computer_science", "计算机科学", 204),
        ("computer_security", "计算机安全", 171), ("conceptual_physics", "概念物理学", 147),
        ("construction_project_management", "建设工程管理", 139), ("economics", "经济学", 159),
        ("education", "教育学", 163), ("electrical_engineering", "电气工程", 172), ("elementary_chinese", "小学语文", 252),
        ("elementary_commonsense", "小学常识", 198), ("elementary_information_and_technology", "小学信息技术", 238),
        ("elementary_mathematics", "初等数学", 230), ("ethnology", "民族学", 135), ("food_science", "食品科学", 143),
        ("genetics", "遗传学", 176), ("global_facts", "全球事实", 149), ("high_school_biology", "高中生物", 169),
        ("high_school_chemistry", "高中化学", 132), ("high_school_geography", "高中地理", 118),
        ("high_school_mathematics", "高中数学", 164), ("high_school_physics", "高中物理学", 110),
        ("high_school_politics", "高中政治", 143), ("human_sexuality", "人类性行为", 126),
        ("international_law", "国际法学", 185), ("journalism", "新闻学", 172), ("jurisprudence", "法理学", 411),
        ("legal_and_moral_basis", "法律与道德基础", 214), ("logical", "逻辑学", 123), ("machine_learning", "机器学习", 122),
        ("management", "管理学", 210), ("marketing", "市场营销", 180), ("marxist_theory", "马克思主义理论", 189),
        ("modern_chinese", "现代汉语", 116), ("nutrition", "营养学", 145), ("philosophy", "哲学", 105),
        ("professional_accounting", "专业会计", 175), ("professional_law", "专业法学", 211),
        ("professional_medicine", "专业医学", 376), ("professional_psychology", "专业心理学", 232),
        ("public_relations", "公共关系", 174), ("security_study", "安全研究", 135), ("sociology", "社会学", 226),
        ("sports_science", "体育学", 165), ("traditional_chinese_medicine", "中医中药", 185), ("virology", "病毒学", 169),
        ("world_history", "世界历史", 161), ("world_religions", "世界宗教", 160),
    ]
}
