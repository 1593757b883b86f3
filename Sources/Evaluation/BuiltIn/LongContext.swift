import MartletJSON

/// Facts that a long text holds and a question at its end asks for: a needle in a haystack (Kamradt 2023), and one of many
/// pairs of keys and values. Texts are made here, the same ones every time; their lengths are in words.
enum LongContext {
    static let dataset = "martlet/long_context"
    private static let lengths = [256, 1024, 2048, 4096]
    private static let depths = 10

    static let groups: [(name: String, value: JSONObject)] = [
        ("needle", group("needle")), ("long_recall", group("long_recall")),
    ]
    static let tasks: [(name: String, value: JSONObject)] = ["needle", "long_recall"].flatMap { kind in
        lengths.map { ("\(kind)_\($0)", task(kind, $0)) }
    }

    private static func group(_ kind: String) -> JSONObject {
        [
            "group": .string(kind), "task": .array(lengths.map { .string("\(kind)_\($0)") }),
            "aggregate_metric_list": [["metric": "exact_match", "weight_by_size": true]], "metadata": ["version": 1],
        ]
    }

    private static func task(_ kind: String, _ length: Int) -> JSONObject {
        [
            "task": .string("\(kind)_\(length)"), "dataset_path": .string(dataset),
            "dataset_name": .string("\(kind)/\(length)"), "output_type": "generate_until", "test_split": "test",
            "doc_to_text": "{{text}}\n\nQuestion: {{question}}\nAnswer:", "doc_to_target": "{{answer}}",
            "generation_kwargs": ["until": ["\n"], "max_gen_toks": 24, "do_sample": false, "temperature": 0.0],
            "filter_list": [
                [
                    "name": "number",
                    "filter": [["function": "regex", "regex_pattern": "([0-9]+)"], ["function": "take_first"]],
                ]
            ],
            "num_fewshot": 0, "metric_list": [["metric": "exact_match"]], "metadata": ["version": 1.0],
        ]
    }

    private static let names = [
        "Ada", "Bruno", "Clara", "Dario", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam",
    ]
    private static let places = ["harbour", "market", "library", "mill", "garden", "station", "bakery", "bridge"]
    private static let doings = [
        "walked slowly past the", "met an old friend at the", "forgot an umbrella near the", "drew a picture of the",
        "waited for an hour by the", "bought warm bread beside the", "sang a short song in front of the",
        "looked for a lost coin behind the",
    ]
    private static let times = [
        "In the morning", "At noon", "In the evening", "On a rainy day", "After the storm", "Last week",
    ]

    /// The rows of `KIND/LENGTH`: one for each depth from the beginning of the text to its end.
    static func rows(_ name: String) throws -> [JSONObject] {
        let parts = name.split(separator: "/")
        guard parts.count == 2, let length = Int(parts[1]), (16...1_000_000).contains(length) else {
            throw EvaluationError(dataset, field: "dataset_name", "is \(name), expected KIND/WORDS as needle/1024")
        }
        var random = PythonRandom(seed: length)
        return (0...depths).map { depth in
            var sentences: [String] = [], count = 0
            while count < length {
                let sentence =
                    "\(times[random.below(times.count)]) \(names[random.below(names.count)]) "
                    + "\(doings[random.below(doings.count)]) \(places[random.below(places.count)])."
                sentences.append(sentence)
                count += sentence.split(separator: " ").count
            }
            let keys = random.sample(900, 12).map { $0 + 100 }
            let values = keys.map { _ in 10_000 + random.below(90_000) }
            let isNeedle = parts[0] == "needle", asked = isNeedle ? 0 : depth % keys.count
            if isNeedle {
                sentences.insert(
                    "The secret number of the lighthouse is \(values[0]).", at: sentences.count * depth / depths)
            } else {
                for (index, key) in keys.enumerated() {
                    sentences.insert(
                        "The box \(key) holds the number \(values[index]).",
                        at: sentences.count * index / keys.count)
                }
            }
            return [
                "text": .string(sentences.joined(separator: " ")),
                "question": .string(
                    isNeedle
                        ? "What is the secret number of the lighthouse? Answer with the number alone."
                        : "Which number does the box \(keys[asked]) hold? Answer with the number alone."),
                "answer": .string(String(values[asked])), "depth": .number(Double(depth) / Double(depths)),
            ]
        }
    }
}
