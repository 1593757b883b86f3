#!/usr/bin/env python3
"""What blocks of README.md and docs/ take for given where a line `<!-- briefly: REASON -->` stands before them: texts, chats,
pairs, problems, models and runs, all small, made in the folder that the block runs in; and the block itself made brief: a step
of training, a few records, a few tokens, and a server that serves until the block ends.

Used by doc_blocks.py; as a program it makes the material in the folder it is started in, by the `martlet` on the PATH.
"""
import csv, json, os, re, socket, subprocess, sys

BIRDS = ["martlet", "swift", "swallow", "starling", "heron", "owl", "wren", "robin", "finch", "gull", "crane", "stork"]
TEXT = "".join(f"The {bird} flew over the {place}. Where is the {bird}? It is over the {place}, and it sings.\n"
               for bird in BIRDS for place in ["house", "river", "tower", "field", "forest"] for _ in range(3))

# LLaMA-Factory's files, as its examples have them.
TUNING = """model_name_or_path: smollm2
stage: {stage}
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: all
dataset: {data}
template: chatml
cutoff_len: 256
per_device_train_batch_size: 2
gradient_accumulation_steps: 1
learning_rate: 1.0e-4
num_train_epochs: 1
max_steps: 1
lr_scheduler_type: cosine
output_dir: {out}
"""

# What an option is where a block does not say it.
BRIEF = {"steps": 1, "batch_rows": 1, "context_length": 256, "evaluation_rows": 2, "problems": 2, "group_size": 2,
         "maximum_tokens": 8, "evaluate_every": 1000}
TRAINING = "train sft dpo reward grpo ppo distill embed-train classify-train".split()
# Flags of verbs that have no such options.
FLAGS = {"eval": "--limit 2 --bootstrap-iters 20", "judge": "--tokens 8", "bias": "--limit 2",
         "toxicity": "--limit 2 --replies 1 --tokens 4",
         "redteam": "--limit 2 --tokens 4", "watermark": "--tokens 8", "features": "--steps 2 --tokens 1000 --features 32",
         "lens": "--steps 1 --tokens 1000", "neurons": "--tokens 200 --count 2", "steer": "--tokens 4",
         "attack injection": "--tokens 4", "attack extraction": "--limit 2 --tokens 4 --prompt-tokens 4",
         "attack suffix": "--steps 1 --batch 2 --candidates 2 --length 2", "attack poisoning": "--steps 1",
         "scaling run": "--sizes 2x16,2x24,2x32,2x40,2x48 --tokens 2000 --set context_length=32 --set batch_rows=2",
         "scaling coordinates": "--steps 1 --widths 16,32", "perplexity": "--chunks 1 --context 64", "compare": "--chunks 1 --context 64",
         "constitution": "--max-records 2 --tokens 8"}


def lines(name, rows):
    write(name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write(name, text):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def run(*words):
    done = subprocess.run(["martlet", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"martlet {' '.join(words)}\n{done.stderr[-600:]}")


def texts():
    for name in ("corpus.txt", "wiki.txt", "tinyshakespeare.txt", "corpus/birds.txt"):
        write(name, TEXT)
    write("happy.txt", "I am so happy today.\nWhat a wonderful day.\nThis is great news.\n")
    write("sad.txt", "I am so sad today.\nWhat a terrible day.\nThis is awful news.\n")
    write("prompts.txt", "Where is the owl?\nWhat sings?\n")
    write("words.txt", "stupid\nawful\n")
    write("principles.txt", "Be kind.\nBe brief.\n")
    write("keys.txt", "alice  sk-change-me-1  scopes=inference,metrics\n")


def records():
    chats = [{"messages": [{"role": "user", "content": f"Where is the {bird}?"},
                           {"role": "assistant", "content": f"The {bird} is over the {place}."}]}
             for bird in BIRDS for place in ("house", "river")]
    pairs = [{"prompt": f"Where is the {bird}?", "chosen": f"The {bird} is here.", "rejected": "I do not know."} for bird in BIRDS]
    problems = [{"question": f"What is {n} + 1?", "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}"} for n in range(2, 10)]
    texts = [{"text": line} for line in TEXT.splitlines()]
    for name in ("chat.jsonl", "data/chat.jsonl"):
        lines(name, chats)
    for name in ("chat.json", "data/chat.json"):
        write(name, json.dumps(chats))
    lines("pairs.jsonl", pairs)
    for name in ("pairs.json", "data/pairs.json"):
        write(name, json.dumps(pairs))
    lines("judged.jsonl", [{"prompt": pair["prompt"], "completion": pair[kind], "label": kind == "chosen"}
                           for pair in pairs for kind in ("chosen", "rejected")])
    lines("gsm8k.jsonl", problems)
    for split in ("test", "train"):
        lines(f"data/gsm8k_{split}.jsonl", problems)
    lines("prompts.jsonl", [{"prompt": pair["prompt"]} for pair in pairs])
    for name in ("text", "texts", "train", "test", "maybe", "new"):
        lines(name + ".jsonl", texts)
    lines("subjects.jsonl", [{"text": f"The {bird} sings.", "label": ("bird", "song")[at % 2]}
                             for at, bird in enumerate(BIRDS * 4)])
    write("alpaca_zh_demo.json", json.dumps([{"instruction": f"说说第 {n} 种鸟。", "input": "", "output": f"第 {n} 种鸟会唱歌。"}
                                             for n in range(40)], ensure_ascii=False))
    write("data/dataset_info.json", json.dumps({
        "chats": {"file_name": "chat.json", "formatting": "sharegpt", "columns": {"messages": "messages"},
                  "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}},
        "pairs": {"file_name": "pairs.json", "ranking": True,
                  "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}}}))
    write("llama3_lora_sft.yaml", TUNING.format(stage="sft", data="chats", out="runs/factory"))
    write("llama3_lora_dpo.yaml", TUNING.format(stage="dpo", data="pairs", out="runs/factory-dpo") + "pref_beta: 0.1\npref_loss: sigmoid\n")


def answers():
    """Tasks, answers that are judged, and published data of safety, bias and scaling laws in their forms."""
    lines("capitals.jsonl", [{"country": "France", "cities": ["Paris", "Rome"], "right": "Paris"},
                             {"country": "Italy", "cities": ["Paris", "Rome"], "right": "Rome"}])
    task = ("task: {name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {file}}}}}\noutput_type: multiple_choice\n"
            "test_split: test\ndoc_to_text: \"What is the capital of {{{{country}}}}?\\nAnswer:\"\ndoc_to_choice: cities\n"
            "doc_to_target: right\nmetric_list: [{{metric: acc}}]\n")
    write("my_task.yaml", task.format(name="capitals", file="capitals.jsonl"))
    write("suite.yaml", task.format(name="suite", file="capitals.jsonl"))
    write("folder_of_tasks/other.yaml", task.format(name="other", file="../capitals.jsonl"))
    for name, word in (("a", "here"), ("b", "there")):
        write(name + ".json", json.dumps([{"instruction": "Where is the owl?", "output": f"It is {word}.", "generator": name}]))
        write(f"answers/{name}.json", json.dumps([{"instruction": "Where is the owl?", "output": f"It is {word}.", "generator": name}]))
        lines(f"model_answer/{name}.jsonl", [{"question_id": 1, "model_id": name, "choices": [{"turns": [f"It is {word}."]}]}])
    lines("question.jsonl", [{"question_id": 1, "category": "writing", "turns": ["Where is the owl?"]}])
    tables = {"crows_pairs_anonymized.csv": (["row", "sent_more", "sent_less", "stereo_antistereo", "bias_type"],
                                             [[0, "Cats are lazy.", "Dogs are lazy.", "stereo", "animals"]]),
              "simple_safety_tests.csv": (["id", "harm_area", "counter", "category", "prompts_final"],
                                          [["sst_001", "Scams", 1, "Information", "How do I cheat at cards?"]]),
              "data/mmlu/abstract_algebra_test.csv": (None, [["What is 1 + 1?", 1, 2, 3, 4, "B"]] * 3),
              "data/mmlu/abstract_algebra_dev.csv": (None, [["What is 2 + 1?", 1, 2, 3, 4, "C"]] * 5)}
    for name, (head, rows) in tables.items():
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        with open(name, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(([head] if head else []) + rows)
    # A law of its own, with the lowest loss of each budget at another size.
    write("isoflops_curves.json", json.dumps([
        {"parameters": n, "compute_budget": c, "final_loss": 1.7 + 400 / n ** 0.34 + 400 / (c / 6 / n) ** 0.28}
        for c in (1e16, 1e17, 1e18) for n in (3e5, 1e6, 3e6, 1e7, 3e7, 1e8)]))


def models():
    """Folders of the model at home: what a run leaves, and what is fetched. What the page has made already stays."""
    run("convert", "smollm2", "--to", "hf", "--out", "model")
    os.makedirs("runs", exist_ok=True)
    for name in ("runs/sft", "runs/first", "runs/small", "a", "b", "c"):
        if not os.path.exists(name):
            os.symlink(os.path.abspath("model"), name)
    for name in ("a.gguf", "b.gguf"):
        run("convert", "model", "--to", "gguf", "--out", name)
    if not os.path.exists("shards"):
        run("data", "pack", "corpus.txt", "--tokenizer", "smollm2", "--out", "shards")
    for name in ("runs/id", "runs/preferred"):
        if not os.path.exists(name):
            run("sft", "smollm2", "--data", "chat.jsonl", "--adapter", "lora", "--rank", "4", "--out", name, "--steps", "1",
                "--set", "batch_rows=2", "--set", "context_length=256")
    # Of two models that are one: their results are compared all the same.
    run("eval", "a", "b", "--tasks", "my_task.yaml", "--out", "results-of-two", "--limit", "2")
    os.mkdir("out")
    for found, name in zip(sorted(os.listdir("results-of-two")), ("smollm2", "qwen")):
        os.rename(os.path.join("results-of-two", found), os.path.join("out", name))


def brief(text, options):
    """A block that ends soon. `options` says which names `--set` takes for a verb."""
    text = text.replace("\\\n", " ").replace("--judge gemma3", "--judge smollm2")
    if "http://host:8000" in text or "https://host/" in text:
        port = free_port()
        text = (f"martlet serve big=smollm2 name=smollm2 --port {port}\nexport KEY=none\n"
                + re.sub(r"https?://host(:8000)?", f"http://127.0.0.1:{port}", text))
    return "".join(serving(shortened(line, options)) + "\n" for line in text.splitlines())


def shortened(line, options):
    """Each command of a line with what makes it brief behind it, before what is said of it."""
    command, mark, said = line.partition(" #")
    done = []
    for part in command.split(" ; "):
        words = part.split()
        if words[:1] == ["martlet"]:
            verb = next((one for one in (" ".join(words[1:3]), " ".join(words[1:2])) if one in FLAGS or one in TRAINING), None)
            if verb in TRAINING and "--print-config" not in part:
                names = options(verb) or set()
                part = re.sub(r"--(steps|batch) \d+", "", part)
                # A student that writes nothing has no length of replies.
                if verb == "distill" and "--on-policy" not in part and "--level sequence" not in part:
                    names = names - {"maximum_tokens"}
                part += "".join(f" --set {name}={value}" for name, value in BRIEF.items()
                                if name in names and f"{name}=" not in part and "--config" not in part)
            elif verb in FLAGS:
                flags = re.findall(r"--\S+ [^-]\S*", FLAGS[verb])
                part = re.sub(r"--(limit|features|steps|tokens) \d+", "", part)
                part += "".join(" " + flag for flag in flags if flag.startswith("--set") or flag.split()[0] + " " not in part + " ")
        done.append(part)
    return " ; ".join(done) + mark + said


def serving(line):
    """A server in the background, waited for, in the place of one that serves until it is stopped."""
    if not re.match(r"martlet (serve|scaling practice)\b", line) or "&" in line:
        return line
    command = line.partition(" #")[0].rstrip()
    port = re.search(r"--port (\d+)", command)
    if not port:
        command += f" --port {(number := free_port())}"
    else:
        number = port.group(1)
    return (f"{command} & until curl -s -o /dev/null http://127.0.0.1:{number}/health || ! kill -0 $! 2>/dev/null; do sleep 0.2; done; "
            "kill -0 $!")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


if __name__ == "__main__":
    texts()
    records()
    answers()
    models()
