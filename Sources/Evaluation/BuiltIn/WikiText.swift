import MartletJSON

/// Merity et al. 2016: perplexity of articles, whose marks are put back where they were; words and bytes are counted in
/// the articles as they are published.
enum WikiText {
    static let task: (String, JSONObject) = (
        "wikitext",
        [
            "task": "wikitext", "dataset_path": "EleutherAI/wikitext_document_level",
            "dataset_name": "wikitext-2-raw-v1", "output_type": "loglikelihood_rolling", "training_split": "train",
            "validation_split": "validation", "test_split": "test", "doc_to_text": "",
            "doc_to_target": ["!function": "preprocess_wikitext.wikitext_detokenizer"],
            "process_results": ["!function": "preprocess_wikitext.process_results"],
            "metric_list": [
                ["metric": "word_perplexity"], ["metric": "byte_perplexity"], ["metric": "bits_per_byte"],
            ],
            "metadata": ["version": 2.0],
        ]
    )

    private static func page(_ row: JSONObject) throws -> String {
        guard let page = row["page"]?.string ?? row["text"]?.string else {
            throw EvaluationError("wikitext", field: "page", "is missing")
        }
        return page
    }

    private static let joins: [(String, String)] = [
        ("s '", "s'"), (" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", "."), (" : ", ": "), (" ; ", "; "), (" . ", ". "),
        (" ! ", "! "), (" ? ", "? "), (" , ", ", "),
    ]
    private static let brackets = [
        ("\\(\\s*([^\\)]*?)\\s*\\)", "(\\1)"), ("\\[\\s*([^\\]]*?)\\s*\\]", "[\\1]"),
        ("\\{\\s*([^}]*?)\\s*\\}", "{\\1}"), ("\"\\s*([^\"]*?)\\s*\"", "\"\\1\""), ("'\\s*([^']*?)\\s*'", "'\\1'"),
    ]
    private static let rest: [(String, String)] = [
        ("= = = =", "===="), ("= = =", "==="), ("= =", "=="), (" ° ", "°"), (" \n", "\n"), ("\n ", "\n"),
        (" N ", " 1 "), (" 's", "'s"),
    ]

    @Sendable static func text(_ row: JSONObject) throws -> JSON {
        var text = try page(row)
        for (old, new) in joins { text = text.replacing(all: old, with: new) }
        for (pattern, new) in brackets { text = try PythonRegex(pattern).replacing(in: text, with: new) }
        for (old, new) in rest { text = text.replacing(all: old, with: new) }
        return .string(text)
    }

    @Sendable static func judge(
        _ row: JSONObject, _ answers: [RequestAnswer]
    ) throws -> [(metric: String, value: MetricValue)] {
        let page = try page(row), sum = answers.first?.logLikelihood ?? .nan
        let words = Double(page.pythonWordCount), bytes = Double(page.utf8.count)
        return [
            ("word_perplexity", .weighted(sum, words)), ("byte_perplexity", .weighted(sum, bytes)),
            ("bits_per_byte", .weighted(sum, bytes)),
        ]
    }
}
