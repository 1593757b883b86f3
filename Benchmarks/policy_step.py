"""The whole step of GRPO on sums: replies drawn, judged, learnt; by `martlet grpo` or by TRL, on the same model and problems.

    martlet data world --kind arithmetic --documents 2000 --chinese 0 --out problems.jsonl
    python3 Benchmarks/pairs.py --pairs 3 --figure replies_per_s:replies_per_s -- \\
        "python3 Benchmarks/policy_step.py martlet runs/chat problems.jsonl 8 8 32 6" \\
        "python Benchmarks/policy_step.py trl runs/chat problems.jsonl 8 8 32 6"

Arguments: martlet | trl, MODEL, PROBLEMS, problems of a step, replies to each, tokens of a reply, steps. TRL's side needs a python
with trl, transformers and torch. Both learn with AdamW, clip 0.2, no reference, advantages divided by the group's deviation; the
first step, which warms up, is not counted. Prints a line of JSON: seconds of a step (median), replies and tokens a second, the mean
reward and the mean length of a reply, which say that both do the same work.
"""
import json, os, re, resource, statistics, subprocess, sys, tempfile, time

who, model, path = sys.argv[1:4]
count, group, tokens, steps = map(int, sys.argv[4:8])
problems = [dict(prompt=row["messages"], answer=row["expected"]) for row in map(json.loads, open(path))]


def told(seconds, rewards, lengths):
    seconds = statistics.median(seconds[1:])
    length = statistics.mean(lengths)
    print(json.dumps(dict(
        who=who, problems=count, group=group, tokens=tokens, seconds=round(seconds, 3),
        replies_per_s=round(count * group / seconds, 2), tokens_per_s=round(count * group * length / seconds, 1),
        reward=round(statistics.mean(rewards), 3), reply_tokens=round(length, 1))), flush=True)


def ours():
    binary = os.environ.get("MARTLET", "martlet")
    with tempfile.TemporaryDirectory() as folder:
        data = folder + "/problems.jsonl"
        with open(data, "w") as file: file.writelines(json.dumps(row) + "\n" for row in problems)
        lines = subprocess.run(
            [binary, "grpo", model, "--data", data, "--reward", "number", "--problems", str(count), "--group", str(group),
             "--tokens", str(tokens), "--steps", str(steps + 1), "--rate", "1e-5", "--set", "questions=0", "--set",
             "save_every=1000", "--json", "--out", folder + "/run"],
            check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [row for row in map(json.loads, filter(lambda line: line.startswith("{"), lines)) if "reply_tokens" in row]
    told([row["seconds"] for row in rows], [row["reward"] for row in rows], [row["reply_tokens"] for row in rows])


def peer():
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    torch.set_num_threads(int(os.environ.get("THREADS", os.cpu_count())))

    number = re.compile(r"-?\d[\d,]*(?:\.\d+)?")

    def last(text):
        found = number.findall(text)
        return float(found[-1].replace(",", "")) if found else None

    lengths, rewards, seconds = [], [], []

    def reward(completions, completion_ids, answer, **_):
        values = [float(last(reply[0]["content"]) is not None and last(reply[0]["content"]) == last(right))
                  for reply, right in zip(completions, answer)]
        lengths.append(statistics.mean(map(len, completion_ids)))
        rewards.append(statistics.mean(values))
        return values

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__): self.start = time.time()
        def on_step_end(self, *_, **__): seconds.append(time.time() - self.start)

    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=model, reward_funcs=reward, train_dataset=Dataset.from_list(problems), callbacks=[Clock()],
            args=GRPOConfig(
                output_dir=folder, per_device_train_batch_size=count * group, num_generations=group,
                max_completion_length=tokens, max_steps=steps + 1, learning_rate=1e-5, beta=0.0, temperature=1.0,
                loss_type="bnpo", gradient_accumulation_steps=1, save_strategy="no", report_to=[], use_cpu=True,
                bf16=False, gradient_checkpointing=False, disable_tqdm=True, logging_steps=1000))
        trainer.train()
    told(seconds, rewards, lengths)


ours() if who == "martlet" else peer()
