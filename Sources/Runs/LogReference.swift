/// What stands in a run's `log.jsonl`: every kind of record, its fields, their units and meanings. `RunLog` writes them,
/// `RunRecord` reads them; tests hold the logs of runs, and the names of metrics in the sources, against it.
public enum LogReference {
    /// A member of a record.
    public struct Field: Sendable {
        public let name: String
        public let unit: String
        public let meaning: String
        /// The tag of the same value in event files for TensorBoard, where it stands there too.
        public let tag: String?

        init(_ name: String, _ unit: String, _ meaning: String, tag: String? = nil) {
            self.name = name
            self.unit = unit
            self.meaning = meaning
            self.tag = tag
        }
    }

    /// Records of one `kind`.
    public struct Record: Sendable {
        public let kind: String
        public let meaning: String
        public let fields: [Field]
    }

    /// Named numbers of an objective or a source of data, in records of steps and evaluations.
    public struct MetricGroup: Sendable {
        public let title: String
        public let fields: [Field]
    }

    public static let records = [
        Record(
            kind: "run",
            meaning: "A process begins to train: the first of the run, and one for each time it was resumed.",
            fields: [
                Field("step", "steps", "The steps that were done before."),
                Field("date", "UTC, ISO 8601", "When it began."),
                Field("version", "text", "The version of martlet."),
                Field("command", "text", "The command line, quoted for a shell."),
                Field("machine", "text", "Processor, threads, instruction set."),
                Field("data", "text or null", "What it trains on: sizes and a hash (XXH64) of the content."),
            ]),
        Record(
            kind: "step", meaning: "An optimiser step, each `log_every` steps, and the first and last.",
            fields: [
                Field("step", "steps", "Its number, from 1."),
                Field(
                    "loss", "nats a token",
                    "The objective's loss: for texts and conversations the mean −ln p of the trained tokens; other "
                        + "objectives have their own.", tag: "train/loss"),
                Field("learning_rate", "1", "The learning rate of the step.", tag: "train/learning_rate"),
                Field("gradient_norm", "1", "The norm of all gradients, before clipping.", tag: "train/gradient_norm"),
                Field(
                    "tokens_per_second", "tokens a second", "Tokens of the step, padding included, by its time.",
                    tag: "speed/tokens_per_second"),
                Field("seconds", "seconds", "Time of all steps so far, those before a resume included."),
                Field(
                    "peak_share", "share, 0 to 1",
                    "Model FLOPs utilisation (MFU): operations a second, of what multiply-adds in registers reach in the "
                        + "processor time of all threads; a step that was faster raises that. Only where operations are "
                        + "counted.", tag: "speed/peak_share"),
                Field(
                    "peak_memory_bytes", "bytes", "The most memory the process has had.", tag: "memory/peak_bytes"),
            ]),
        Record(
            kind: "evaluation", meaning: "The model on held-out rows, each `evaluate_every` steps and at the end.",
            fields: [
                Field("step", "steps", "After which step."),
                Field("loss", "nats a token", "As that of steps, on the held-out rows.", tag: "validation/loss"),
                Field("perplexity", "1", "exp(loss); of texts and conversations.", tag: "validation/perplexity"),
                Field(
                    "bits_per_byte", "bits a byte, or null",
                    "loss / ln 2, by the bytes of a token: comparable between tokenizers.",
                    tag: "validation/bits_per_byte"),
                Field(
                    "losses", "nats a token", "The loss of each folder of data, where there are several.",
                    tag: "validation/loss/FOLDER"),
                Field("prompt", "text", "What the sample goes on from."),
                Field("sample", "text", "What the model writes.", tag: "sample"),
                Field("count", "`unit`", "How many were looked at; of objectives that do not predict text."),
                Field("unit", "text", "What is counted: pairs, replies, steps."),
                Field(
                    "accuracy_interval", "two shares, 0 to 1",
                    "Where the true accuracy lies with 95 % confidence (Wilson); of pairs."),
            ]),
        Record(
            kind: "completions",
            meaning:
                "The first replies of a step, by `grpo`, `ppo`, `dpo --loss kto` and `reward` of steps; before the "
                + "record of the step.",
            fields: [
                Field("step", "steps", "Its number."),
                Field("of", "replies", "How many the step has."),
                Field(
                    "rows", "list of objects",
                    "At most eight: prompt and completion (text, 1000 characters at most), reward, advantage (grpo), kl "
                        + "(ppo; nats a reply); label, good or bad, of judged replies; labels, right or wrong, and accuracy of "
                        + "replies in steps.", tag: "train/completions"),
            ]),
        Record(
            kind: "pairs",
            meaning: "The first pairs of a step, by `dpo` and its kin and `reward`; before the record of the step.",
            fields: [
                Field("step", "steps", "Its number."),
                Field("of", "pairs", "How many the step has."),
                Field(
                    "rows", "list of objects",
                    "At most four: prompt, chosen and rejected (text, 1000 characters at most), rewards/chosen, "
                        + "rewards/rejected, rewards/margins (nats); of `reward` score/chosen, score/rejected, margin.",
                    tag: "train/pairs"),
            ]),
        Record(
            kind: "experts", meaning: "The loads of a mixture's experts in a step; before the record of the step.",
            fields: [
                Field("step", "steps", "Its number."),
                Field(
                    "loads", "tokens",
                    "For each layer with a router, from 0, a list: the tokens that each expert processed, padding left out."
                ),
                Field(
                    "dropped", "selections",
                    "For each of these layers the selections of an expert that was full, where `capacity_factor` is set."
                ),
            ]),
        Record(
            kind: "score",
            meaning: "Questions with known answers, by `grpo`, `ppo` and `martlet eval`.",
            fields: [
                Field("step", "steps", "After which step."),
                Field("task", "text", "The task, or the file of questions."),
                Field("questions", "questions", "How many were asked."),
                Field("right", "questions", "How many were answered right."),
                Field("accuracy", "share, 0 to 1", "right / questions.", tag: "score/TASK"),
                Field("left_out", "questions", "Those whose prompt and reply do not fit into the context."),
                Field("categories", "questions", "right and questions of each category."),
            ]),
    ]

    public static let metrics = [
        MetricGroup(
            title: "Mixtures of experts: train, sft",
            fields: [
                Field("nll_loss", "nats a token", "−ln p of the trained tokens, where the loss has other terms too."),
                Field(
                    "router/balance_loss", "1",
                    "The load-balancing loss, a mean over the layers; the number of active "
                        + "experts when loads are even."),
                Field("mtp_loss", "nats a token", "−ln p of the further tokens that modules of mtp_depth predict."),
                Field("router/z_loss", "1", "The squared log-partition of the routers' logits, a mean."),
                Field("router/largest_load", "1", "The largest load of an expert over the mean of its layer."),
                Field("router/dropped", "share, 0 to 1", "Selections of experts that were full."),
            ]),
        MetricGroup(
            title: "Replies that are learnt: sft",
            fields: [
                Field("entropy", "nats a token", "Of the predictions of learnt tokens, at steps that are logged."),
                Field("mean_token_accuracy", "share, 0 to 1", "Learnt tokens that are the most probable."),
                Field("nll_loss", "nats a token", "The loss without the divergence, with `kl_weight`."),
                Field("kl", "nats a token", "KL(base ‖ tuned) at every token, with `kl_weight`."),
            ]),
        MetricGroup(
            title: "Pairs of texts and replaced tokens: train --objective nsp, sop, rtd",
            fields: [
                Field("next_sentence_accuracy", "share, 0 to 1", "Pairs told apart: a text's next, or another text's."),
                Field("next_sentence_loss", "nats a pair", "−ln p of which of both it is."),
                Field("sentence_order_accuracy", "share, 0 to 1", "Pairs whose order is told."),
                Field("sentence_order_loss", "nats a pair", "−ln p of their order."),
                Field("generator_accuracy", "share, 0 to 1", "Masked tokens that the generator finds."),
                Field("generator_loss", "nats a token", "−ln p of the masked tokens, by the generator."),
                Field("discriminator_loss", "nats a token", "Binary cross-entropy of which were replaced."),
                Field("replaced_accuracy", "share, 0 to 1", "Tokens of which that is told."),
                Field("replaced_recall", "share, 0 to 1", "Replaced tokens that are found."),
            ]),
        MetricGroup(
            title: "Vectors and classes: embed-train, classify-train",
            fields: [
                Field(
                    "masked_negatives", "texts",
                    "Of infonce: texts that are no negatives of a row, since they equal what is right."),
                Field(
                    "mrr", "share, 0 to 1",
                    "MRR@10: 1 / rank of the first right text among all held-out ones, of `task score` among those of its "
                        + "first text, a mean."),
                Field(
                    "ndcg", "share, 0 to 1",
                    "NDCG@10 of `task score`: labels / log₂(rank + 1), as a share of the best order's."),
                Field(
                    "mrr/SIZE", "share, 0 to 1", "The same of the first SIZE numbers of each vector, with `matryoshka`."
                ),
                Field("recall/K", "share, 0 to 1", "Anchors with a right text among the first K of 1, 5 and 10."),
                Field("triplet_accuracy", "share, 0 to 1", "Given negatives that are farther than the positive."),
                Field(
                    "spearman", "1",
                    "Rank correlation of cosines, or of what a regression or score says, with the scores."),
                Field("spearman/SIZE", "1", "The same of the first SIZE numbers of each vector, with `matryoshka`."),
                Field("pearson", "1", "Their correlation."),
                Field(
                    "accuracy", "share, 0 to 1", "Texts or words whose class is told; of several classes, all of them."),
                Field("f1_macro", "share, 0 to 1", "The mean of the classes' F1."),
                Field("f1_micro", "share, 0 to 1", "F1 of the sums over all classes."),
                Field("entities/precision", "share, 0 to 1", "Entities told that are there whole."),
                Field("entities/recall", "share, 0 to 1", "Entities that are told whole."),
                Field("entities/f1", "share, 0 to 1", "Of both."),
            ]),
        MetricGroup(
            title: "Replies and rewards: grpo, ppo",
            fields: [
                Field("reward", "reward", "The mean reward of the step's replies."),
                Field("reward_std", "reward", "Its standard deviation over all replies."),
                Field("reward_NAME", "reward", "The mean of one reward, where several are added up."),
                Field(
                    "rewards/NAME/mean", "reward", "One reward's mean over all replies; 0 for those without an end."
                ),
                Field("rewards/NAME/std", "reward", "Its standard deviation."),
                Field("frac_reward_zero_std", "share, 0 to 1", "Groups whose replies all have the same reward."),
                Field("useful_groups", "share, 0 to 1", "Replies whose advantage is not 0."),
                Field("reply_tokens", "tokens", "The mean length of replies."),
                Field("tools/calls", "calls a reply", "Calls of tools, where replies may call some."),
                Field("tools/errors", "calls a reply", "Calls that were answered with an error."),
                Field("tools/cut", "share, 0 to 1", "Replies whose context was full before they ended."),
                Field("finished", "share, 0 to 1", "Replies that ended by themselves."),
                Field("completions/mean_length", "tokens", "The same as reply_tokens, by TRL's name."),
                Field("completions/min_length", "tokens", "The shortest reply."),
                Field("completions/max_length", "tokens", "The longest reply."),
                Field("completions/mean_terminated_length", "tokens", "The mean length of those that ended."),
                Field("completions/clipped_ratio", "share, 0 to 1", "Replies cut at the limit: 1 − finished."),
                Field(
                    "rollout_difference", "nats",
                    "The largest |Δ ln p| of a token between writing and training, before the first update."),
                Field("clip_ratio/low_mean", "share, 0 to 1", "Tokens clipped below."),
                Field("clip_ratio/high_mean", "share, 0 to 1", "Tokens clipped above."),
                Field("clip_ratio/region_mean", "share, 0 to 1", "Tokens clipped at all."),
                Field("kl", "nats a token", "KL divergence from the reference, by the k3 estimator."),
                Field("entropy", "nats a token", "Of the predictions; each tenth step."),
            ]),
        MetricGroup(
            title: "Values: ppo",
            fields: [
                Field(
                    "objective/kl", "nats a reply", "The sum of ln p − ln p of the reference over a reply, the mean."),
                Field(
                    "objective/entropy", "nats a reply", "The sum of −ln p of the tokens that were drawn, the mean."),
                Field("objective/scores", "reward", "The mean reward, without the divergence."),
                Field(
                    "objective/non_score_reward", "reward", "What the divergence adds to a reply's reward, the mean."),
                Field("objective/rlhf_reward", "reward", "The sum of both."),
                Field("kl_weight", "1", "What the divergence is multiplied by; adaptive where asked for."),
                Field("val/mean", "reward", "The mean of the values that were estimated."),
                Field("returns/mean", "reward", "The mean of the returns."),
                Field("policy_loss", "1", "The clipped surrogate."),
                Field("value_loss", "reward²", "Half the squared error of the values, clipped."),
                Field("value_clip_ratio", "share, 0 to 1", "Values that were clipped."),
                Field("approxkl", "nats² a token", "Half the mean squared Δ ln p since the replies were written."),
                Field("loss/policy_avg", "1", "The same as policy_loss, by TRL's name."),
                Field("loss/value_avg", "reward²", "The same as value_loss."),
                Field("policy/approxkl_avg", "nats² a token", "The same as approxkl."),
                Field("policy/clipfrac_avg", "share, 0 to 1", "The same as clip_ratio/region_mean."),
                Field("val/clipfrac_avg", "share, 0 to 1", "The same as value_clip_ratio."),
                Field("text_loss", "nats a token", "The loss of the text that is mixed in."),
            ]),
        MetricGroup(
            title: "Pairs and judged replies: dpo and its kin",
            fields: [
                Field("rewards/chosen", "nats", "β · (ln p − ln p of the reference) of chosen replies, the mean."),
                Field("rewards/rejected", "nats", "The same of rejected ones."),
                Field("rewards/accuracies", "share, 0 to 1", "Pairs whose chosen reply is worth more."),
                Field("rewards/margins", "nats", "rewards/chosen − rewards/rejected."),
                Field(
                    "logps/chosen", "nats",
                    "ln p of chosen replies: a sum over tokens, or their mean as the loss has it."),
                Field("logps/rejected", "nats", "The same of rejected ones."),
                Field("logits/chosen", "1", "The mean logit of all tokens at the places of chosen replies."),
                Field("logits/rejected", "1", "The same of rejected ones."),
                Field("nll_loss", "nats a token", "−ln p of chosen replies, where it is part of the loss."),
                Field("mean_token_accuracy", "share, 0 to 1", "Tokens of chosen replies that are the most probable."),
                Field("log_odds_ratio", "1", "ORPO: ln σ of the difference of log-odds."),
                Field("log_odds_chosen", "1", "ORPO: the difference of log-odds."),
                Field("kl", "nats", "KTO: the batch's estimate of the divergence."),
                Field("entropy", "nats a token", "Of the predictions."),
            ]),
        MetricGroup(
            title: "Reward models: reward",
            fields: [
                Field("accuracy", "share, 0 to 1", "Pairs in the right order, or steps judged right."),
                Field("margin", "reward", "The mean of chosen − rejected."),
                Field("mean_reward", "reward", "The mean of all scores."),
                Field("max_reward", "reward", "The largest score."),
                Field("min_reward", "reward", "The smallest score."),
            ]),
        MetricGroup(
            title: "Distillation: distill",
            fields: [
                Field(
                    "divergence", "nats a token", "The divergence from the teacher's predictions that is made smaller."),
                Field("nll_loss", "nats a token", "−ln p of the text, where it is learnt too."),
            ]),
    ]

    /// Whether a record of `kind` may have this member, by its own fields or by those of metrics.
    package static func knows(_ field: String, of kind: String) -> Bool {
        guard let record = records.first(where: { $0.kind == kind }) else { return false }
        if field == "kind" || record.fields.contains(where: { $0.name == field }) { return true }
        guard kind == "step" || kind == "evaluation" else { return false }
        return isMetric(field)
    }

    package static func isMetric(_ name: String) -> Bool {
        metrics.contains { $0.fields.contains { $0.name == name } } || name.hasPrefix("reward_")
            || name.hasPrefix("rewards/") && (name.hasSuffix("/mean") || name.hasSuffix("/std"))
    }

    /// The page docs/log-records.md.
    public static var markdown: String {
        func cell(_ text: String) -> String { text.replacing("|", with: "\\|") }
        var page = """
            # Records of a run's log

            Written by `martlet help log --markdown`; `scripts/make_options.sh` writes it anew.

            A run's folder has `log.jsonl`, a JSON object a line, in the order in which things happened. A run that is resumed cuts
            what comes after the step it goes on from. `kind` says what a record is; a reader should pass over kinds and fields it
            does not know. The same values stand in an event file for TensorBoard, under the tag that is named.
            `martlet report`, the page Runs and `GET /api/runs/{name}/log` read it.

            ```sh
            martlet data world --documents 200 --out world.txt
            martlet tokenizer train world.txt --vocab-size 400 --out tok
            martlet data pack world.txt --tokenizer tok --out shards
            martlet train --depth 1 --data shards --out runs/log --steps 2 --set batch_rows=4
            grep '"kind":"step"' runs/log/log.jsonl
            ```

            """
        for record in records {
            page += "\n## \(record.kind)\n\n\(record.meaning)\n\n"
            page += "| field | unit | meaning | TensorBoard |\n|---|---|---|---|\n"
            for field in record.fields {
                let tag = field.tag.map { "`\($0)`" } ?? ""
                page += "| `\(field.name)` | \(cell(field.unit)) | \(cell(field.meaning)) | \(tag) |\n"
            }
            if record.kind == "step" { page += "\nand the metrics below, as `train/NAME` in TensorBoard.\n" }
            if record.kind == "evaluation" { page += "\nand the metrics below, as `validation/NAME` in TensorBoard.\n" }
        }
        page += "\n## Metrics\n\nNamed numbers of what is trained, means over the step where nothing else is said.\n"
        for group in metrics {
            page += "\n### \(group.title)\n\n| field | unit | meaning |\n|---|---|---|\n"
            for field in group.fields {
                page += "| `\(field.name)` | \(cell(field.unit)) | \(cell(field.meaning)) |\n"
            }
        }
        return page
    }

    /// For a terminal.
    public static var text: String {
        func lines(_ fields: [Field]) -> String {
            fields.map { "  \($0.name)  [\($0.unit)]\n      \($0.meaning)\n" }.joined()
        }
        return records.map { "kind \"\($0.kind)\": \($0.meaning)\n\n" + lines($0.fields) }.joined(separator: "\n")
            + metrics.map { "\nMetrics. \($0.title)\n\n" + lines($0.fields) }.joined()
    }
}
