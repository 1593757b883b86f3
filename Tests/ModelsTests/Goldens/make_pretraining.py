"""Makes goldens of what encoders are pre-trained with: families/NAME-pretraining.json.

    python make_pretraining.py      # needs torch, transformers, numpy

- bert, albert: the loss of BertForPreTraining (masked tokens and next sentence) and AlbertForPreTraining (masked tokens and
  sentence order) over two pairs of texts, and the norm of its gradient over all parameters.
- electra: a generator (electra-generator.json) and a discriminator with the same tables. The generator's draws are given as
  numbers in 0 ..< 1, each of which falls on the token whose part of its cumulative distribution it is in; the loss is the
  generator's plus 50 times the discriminator's, as in the paper (Clark et al. 2020), each as transformers computes it.

The form is that of make_families.py, with members of its own.
"""
import json, os
import torch
import transformers as t

from golden_values import values

here = os.path.dirname(os.path.abspath(__file__))
N = dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, intermediate_size=40, num_attention_heads=4,
         max_position_embeddings=64, pad_token_id=0, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
MASK = 2
random = torch.Generator().manual_seed(7)


def filled(model):
    """The model with computed weights, and [name, base, shape ...] of its published tensors."""
    tensors, done = [], {}
    for key, value in model.named_parameters():
        base = int(value.dim() < 2 and value.float().mean() > 0.5)
        with torch.no_grad(): value.copy_(values(key, base, tuple(value.shape)))
        tensors.append([key, base, *value.shape])
    for module in model.modules():
        # transformers gives the padding token no gradient.
        if isinstance(module, torch.nn.Embedding): module.padding_idx = None
    return model.eval(), tensors


def norm(parameters): return float(sum(p.grad.double().square().sum() for p in parameters if p.grad is not None).sqrt())


def save(name, **members):
    with open(os.path.join(here, "families", name + ".json"), "w") as file:
        json.dump(dict(ids=members["texts"][0], expected=[], head="PreTraining", **members), file, separators=(",", ":"))
        file.write("\n")
    print(name, {k: v for k, v in members.items() if isinstance(v, float)})


def texts_with_masks():
    original = torch.randint(3, 64, (2, 14), generator=random)
    places = [[2, 5, 11], [1, 7]]
    masked = original.clone()
    for row, chosen in enumerate(places): masked[row, chosen] = MASK
    labels = torch.full_like(original, -100)
    for row, chosen in enumerate(places): labels[row, chosen] = original[row, chosen]
    return original, masked, labels, places


def pairs(name, kind, label_name, **more):
    config = getattr(t, kind + "Config")(**N, **more)
    config._attn_implementation = "eager"
    model, tensors = filled(getattr(t, kind + "ForPreTraining")(config))
    original, masked, labels, places = texts_with_masks()
    types = torch.tensor([[0] * 6 + [1] * 8, [0] * 9 + [1] * 5])
    classes = torch.tensor([1, 0])
    result = model(input_ids=masked, token_type_ids=types, labels=labels, **{label_name: classes})
    result.loss.backward()
    config = json.loads(config.to_json_string())
    config["architectures"] = [kind + "ForPreTraining"]
    save(name + "-pretraining", config=config, tensors=tensors, texts=masked.tolist(), types=types.tolist(),
         masked=[[[p, int(original[row, p])] for p in chosen] for row, chosen in enumerate(places)],
         classes=classes.tolist(), loss=float(result.loss), gradient_norm=norm(model.parameters()))


def electra():
    shared = dict(N, embedding_size=32)
    large, tensors = filled(t.ElectraForPreTraining(t.ElectraConfig(**shared)))
    small, others = filled(t.ElectraForMaskedLM(t.ElectraConfig(**dict(shared, hidden_size=16, num_attention_heads=2,
                                                                       intermediate_size=24))))
    # The same names have the same values; now they are the same tensors.
    small.electra.embeddings = large.electra.embeddings
    small.generator_lm_head.weight = large.electra.embeddings.word_embeddings.weight
    original, masked, labels, places = texts_with_masks()
    result = small(input_ids=masked, labels=labels)
    replaced, draws = masked.clone(), []
    for row, chosen in enumerate(places):
        for place in chosen:
            sums = result.logits[row, place].double().softmax(-1).cumsum(0)
            while True:
                number = float(torch.rand((), generator=random, dtype=torch.float64))
                if float((sums - number).abs().min()) > 1e-3: break
            replaced[row, place] = int((sums <= number).sum())
            draws.append([row, place, number])
    # One of them is drawn as it was.
    row, place, _ = draws[0]
    sums = result.logits[row, place].double().softmax(-1).cumsum(0)
    token = int(original[row, place])
    draws[0][2] = float((sums[token] + (sums[token - 1] if token else 0)) / 2)
    replaced[row, place] = token
    wrong = (replaced != original).long()
    found = large(input_ids=replaced, labels=wrong)
    loss = result.loss + 50 * found.loss
    loss.backward()
    parameters = {id(p): p for model in (large, small) for p in model.parameters()}.values()
    config, generator = (json.loads(model.config.to_json_string()) for model in (large, small))
    config["architectures"], generator["architectures"] = ["ElectraForPreTraining"], ["ElectraForMaskedLM"]
    save("electra-generator", config=generator, tensors=others, texts=masked.tolist())
    save("electra-pretraining", config=config, tensors=tensors, texts=masked.tolist(),
         masked=[[[p, int(original[row, p])] for p in chosen] for row, chosen in enumerate(places)], draws=draws,
         replaced=replaced.tolist(), scores=[float(f"{x:.7g}") for x in found.logits.flatten().tolist()],
         generator_loss=float(result.loss), loss=float(loss), gradient_norm=norm(parameters))


pairs("bert", "Bert", "next_sentence_label", type_vocab_size=2)
pairs("albert", "Albert", "sentence_order_label", embedding_size=16, type_vocab_size=2)
electra()
