"""Writes harness.json: what lm-evaluation-harness, sacrebleu, rouge_score and scikit-learn say of fixed inputs.

    python make_goldens.py [MODEL_FOLDER]

With a folder (the random checkpoint that the tests write: HarnessTests.makeCheckpoint with MARTLET_CHECKPOINT=FOLDER), writes model.json instead: the
results and log-likelihoods of lm-evaluation-harness's Hugging Face backend on it, float32 on the CPU.
"""
import json, os, random, sys, tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
import lm_eval
from lm_eval.api import metrics as M
from lm_eval.api.task import ConfigurableTask
from lm_eval.filters import build_filter_ensemble
from lm_eval.api.instance import Instance

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = ("the a cat dog sat on mat, runs. Far away! (old) house's 3.5 1,000 well-known \"quoted\" blue & red; no: yes? "
         "été naïve 12-34 it's end").split(" ")


def sentence(rng, low=0, high=12):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high)))


def texts():
    import sacrebleu
    from rouge_score import rouge_scorer
    rng = random.Random(1)
    pairs = []
    for _ in range(60):
        reference = sentence(rng, 1)
        words = reference.split(" ")
        for _ in range(rng.randint(0, 4)):
            words[rng.randrange(len(words))] = rng.choice(WORDS)
        pairs.append([reference, " ".join(words) if rng.random() < 0.8 else sentence(rng)])
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"])
    single = []
    for reference, reply in pairs:
        rouge = scorer.score(reference, reply)
        single.append([
            sacrebleu.corpus_bleu([reply], [[reference]]).score, sacrebleu.corpus_chrf([reply], [[reference]]).score,
            sacrebleu.corpus_chrf([reply], [[reference]], word_order=2).score,
            rouge["rouge1"].fmeasure, rouge["rouge2"].fmeasure, rouge["rougeL"].fmeasure])
    items = [tuple(p) for p in pairs]
    return {"pairs": pairs, "single": single, "bleu": M.bleu(items), "chrf": M.chrf(items), "chrf++": M.chrfpp(items),
            "bleu_stderr": stderr(M.bleu, items, 100),
            "chrf_stderr": stderr(M.chrf, items, 100)}


def stderr(function, items, iterations=2000):
    return M.stderr_for_metric(function, iterations)(items)


def statistics():
    rng = random.Random(2)
    cases = []
    for size in (2, 7, 50):
        logs = [-abs(rng.gauss(2, 1)) for _ in range(size)]
        hits = [float(rng.random() < 0.6) for _ in range(size)]
        labels = [(int(rng.random() < 0.5), int(rng.random() < 0.6)) for _ in range(size)]
        classes = [(rng.randrange(4), rng.randrange(4)) for _ in range(size)]
        weights = [(x * 20, rng.randint(1, 40)) for x in logs]
        cases.append({
            "logs": logs, "hits": hits, "labels": labels, "classes": classes, "weights": weights,
            "mean": [M.mean(hits), stderr(M.mean, hits)], "median": [M.median(logs), stderr(M.median, logs)],
            "perplexity": [M.perplexity(logs), stderr(M.perplexity, logs)],
            "weighted_perplexity": M.weighted_perplexity(weights), "bits_per_byte": M.bits_per_byte(weights),
            "f1": [float(M.f1_score(labels)), float(stderr(M.f1_score, labels, 200))],
            "mcc": [float(M.matthews_corrcoef(classes)), float(stderr(M.matthews_corrcoef, classes, 200))],
        })
    sizes, errors, values = [3, 100, 41], [0.2, 0.01, 0.07], [0.1, 0.7, 0.4]
    return {"cases": cases, "pooled": [sizes, errors, values, M.aggregate_subtask_metrics(values, sizes),
                                       float(M.pooled_sample_stderr(errors, sizes)),
                                       float(M.unweighted_mean_stderr(errors))]}


def matches():
    rng = random.Random(3)
    cases = []
    pool = ["The answer is 42.", "#### 1,234.", "$18", "A.", "a", "(B) yes!", "x#### 5", "no 3", "NO", "", "Ünï 7.", "18"]
    options = [{}, {"ignore_case": True}, {"ignore_punctuation": True}, {"ignore_numbers": True},
               {"ignore_case": True, "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]}]
    for _ in range(80):
        reply, reference, kwargs = rng.choice(pool), rng.choice(pool), rng.choice(options)
        score = M.exact_match_hf_evaluate(predictions=[reply], references=[reference], **kwargs)["exact_match"]
        cases.append([reply, reference, kwargs, float(score)])
    return cases


def filters():
    replies = [
        "So it is 5 + 6 = 11.\n#### 11", "The answer is (B) because #### -1,234.5", "nothing", "Answer: C", " (a) Yes ",
        "costs $3.50, no $4", "It is Guilty of Romance", "x: B", "(D)", "", "B. no\nC", "#### 7\n#### 8"]
    row = {"choices": ["Guilty", "Guilty of Romance", "yes", "no way."]}
    lists = [
        [["regex", {"regex_pattern": "#### (\\-?[0-9\\.\\,]+)"}], ["take_first", None]],
        [["regex", {"regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)", "group_select": -1}], ["take_first", None]],
        [["regex", {"regex_pattern": "[A-D]", "fallback": "none"}], ["take_first", None]],
        [["regex", {"regex_pattern": "(?i)answer:? (?P<x>\\(?[a-d])"}], ["lowercase", None]],
        [["uppercase", None], ["remove_whitespace", None], ["take_first", None]],
        [["lowercase", None], ["remove_whitespace", None]],
        [["multi_choice_regex", {"regex_pattern": "(\\([A-Z]\\))", "ignore_case": True, "ignore_punctuation": True}], ["take_first", None]],
        [["multi_choice_regex", {"regex_pattern": "(\\([A-Z]\\))", "group_select": -1}], ["take_first", None]],
        [["map", {"mapping_dict": {"(D)": "four", "nothing": "zero"}, "default_value": "other"}], ["take_first", None]],
    ]
    cases = []
    for steps in lists:
        for reply in replies:
            cases.append([[reply], row, steps, filtered([reply], row, steps)])
    for reply in ["[('The', 'DET'), ('cat', 'NOUN')]", "('it''s', 'X') (\"a\", 'Y')", "nothing"]:
        for steps in ([["regex_pos", None], ["take_first", None]], [["regex_pos", {"fallback": ["none"]}]]):
            cases.append([[reply], row, steps, filtered([reply], row, steps)])
    votes = [["a", "b", "b", "a", "c"], ["x", "y"], ["1", "1", "2"], ["#### 3", "#### 4", "#### 3", "#### 4"]]
    for replies in votes:
        for steps in ([["majority_vote", None], ["take_first", None]], [["take_first_k", {"k": 2}], ["majority_vote", None]],
                      [["regex", {"regex_pattern": "([0-9])"}], ["majority_vote", None], ["take_first", None]]):
            cases.append([replies, row, steps, filtered(replies, row, steps)])
    return cases


def filtered(replies, row, steps):
    instance = Instance("generate_until", row, ("", {}), 0, ("t", 0, len(replies)))
    instance.resps = list(replies)
    ensemble = build_filter_ensemble("x", [[n, dict(k) if k else k] for n, k in steps])
    ensemble.apply([instance])
    return instance.filtered_resps["x"]


ROWS = [{"q": f"What is {i} + {i + 3}?", "a": str(2 * i + 3), "options": [str(2 * i + 3), str(i), "it's \"seven\"", " so\n"],
         "gold": i % 3, "n": i, "topic": "sums" if i % 2 else "plus"} for i in range(40)]
BASE = {"dataset_path": "json", "test_split": "test", "training_split": "train", "metadata": {"version": 1.5}}
TASKS = [
    {"task": "choice", "output_type": "multiple_choice", "doc_to_text": "Q: {{q}}\nA:", "doc_to_choice": "options",
     "doc_to_target": "gold", "num_fewshot": 3, "metric_list": [
         {"metric": m} for m in ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "brier_score", "mcc")]},
    {"task": "letters", "output_type": "multiple_choice", "description": "About {{topic}}.\n\n",
     "doc_to_text": "{{q.strip()}}\nA. {{options[0]}}\nB. {{options[1]}}\nAnswer:", "doc_to_choice": ["A", "B"],
     "doc_to_target": "{{n % 2}}", "num_fewshot": 4, "fewshot_split": "test", "fewshot_delimiter": "\n---\n",
     "metric_list": [{"metric": "acc"}, {"metric": "f1"}, {"metric": "exact_match"}]},
    {"task": "printed", "output_type": "multiple_choice", "doc_to_text": "{% if n > 2 %}\n  Big: {% endif %}{{q}} \n",
     "doc_to_choice": "{{options}}", "doc_to_target": "{{gold}}", "num_fewshot": 2, "target_delimiter": "",
     "fewshot_config": {"sampler": "first_n"}, "gen_prefix": "I say"},
    {"task": "last", "output_type": "loglikelihood", "doc_to_text": "{{q.split(' ')[:-1]|join(' ')}}",
     "doc_to_target": "{{' ' + q.split(' ')[-1]}}"},
    {"task": "whole", "output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{q}} The sum is {{a}}."},
    {"task": "reply", "output_type": "generate_until", "doc_to_text": "Q: {{q}}\nA:", "doc_to_target": "{{a}}",
     "num_fewshot": 2, "fewshot_split": "train", "generation_kwargs": {"until": ["\n", "Q:"], "max_gen_toks": 12},
     "metric_list": [{"metric": "exact_match", "ignore_case": True, "ignore_punctuation": True}, {"metric": "bleu"}, {"metric": "chrf"}],
     "filter_list": [{"name": "number", "filter": [{"function": "regex", "regex_pattern": "(-?[0-9]+)"}, {"function": "take_first"}]},
                     {"name": "plain", "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}]}]},
]


def write_rows(folder):
    for split, rows in (("test", ROWS[:12]), ("train", ROWS[12:])):
        with open(f"{folder}/{split}.jsonl", "w") as file:
            for row in rows:
                file.write(json.dumps(row) + "\n")


def load(definition, folder):
    config = json.loads(json.dumps({**BASE, **definition}))
    config["dataset_kwargs"] = {"data_files": {s: f"{folder}/{s}.jsonl" for s in ("test", "train")}}
    task = ConfigurableTask(config=config)
    task.set_fewshot_seed(1234)
    return task


def prompts(folder):
    found = {}
    chat = lambda messages, add_generation_prompt=True: "".join(
        f"<{m['role']}>{m['content']}</>" for m in messages) + ("<assistant>" if add_generation_prompt else "")
    for definition in TASKS:
        for name, kwargs in (("plain", {}), ("turns", dict(apply_chat_template=True, fewshot_as_multiturn=True, chat_template=chat)),
                             ("one", dict(apply_chat_template=True, chat_template=chat, system_instruction="Be brief."))):
            task = load(definition, folder)
            task.build_all_requests(limit=5, **kwargs)
            found[f"{definition['task']}/{name}"] = [[i.doc_id, *[a for a in i.args if isinstance(a, str)]] for i in task.instances]
    return found


def on_model(model, folder):
    import torch
    from lm_eval.models.huggingface import HFLM
    torch.set_num_threads(1)
    lm = HFLM(pretrained=model, device="cpu", dtype="float32", batch_size=1)
    tasks = {d["task"]: load(d, folder) for d in TASKS}
    results = lm_eval.evaluate(lm=lm, task_dict=tasks, bootstrap_iters=2000, log_samples=True)
    out = {"results": {}, "samples": {}}
    for name, scores in results["results"].items():
        out["results"][name] = {k: v for k, v in scores.items() if "," in k}
        out["samples"][name] = [
            {"filter": s["filter"], "resps": s["resps"], "doc_hash": s["doc_hash"], "prompt_hash": s["prompt_hash"],
             "target_hash": s["target_hash"]} for s in results["samples"][name]]
    return out


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value.item() if hasattr(value, "item") else value


def main():
    os.environ["DISABLE_MULTIPROC"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        write_rows(folder)
        if len(sys.argv) > 1:
            with open(f"{HERE}/model.json", "w") as file:
                json.dump(plain(on_model(sys.argv[1], folder)), file, ensure_ascii=False, separators=(",", ":"))
            return
        rng = random.Random(1234)
        draws = {"random": [rng.random() for _ in range(5)], "samples": [rng.sample(range(n), k) for n, k in
                 ((10, 3), (100, 5), (30, 6), (7000, 8), (85, 21), (86, 21), (3, 3))],
                 "big": [random.Random(2 ** 40 + 7).random()], "choices": random.Random(3).choices(range(9), k=9)}
        data = {"draws": draws, "texts": texts(), "statistics": statistics(), "matches": matches(), "filters": filters(),
                "base": BASE, "rows": ROWS, "tasks": TASKS, "prompts": prompts(folder)}
        with open(f"{HERE}/harness.json", "w") as file:
            json.dump(plain(data), file, ensure_ascii=False, separators=(",", ":"))


main()
