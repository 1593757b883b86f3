"""Losses of vectors by sentence-transformers' code with their gradients, losses of classifiers by PyTorch, and measures by
scikit-learn and scipy.

    python make_encoders.py      (torch, sentence-transformers, scikit-learn, scipy) writes encoders.json beside itself

Everything is computed in float64. Texts stand row by row: anchor, positive, negative.
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from scipy import stats
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.losses.matryoshka import shrink
from sklearn import metrics

torch.manual_seed(3)
ROWS, WIDTH = 6, 8
vectors = torch.randn(3 * ROWS, WIDTH, dtype=torch.float64)
scores = torch.tensor([0.1, 0.9, 0.5, 0.5, 1.0, 0.0], dtype=torch.float64)
cases = {"width": WIDTH, "vectors": vectors.flatten().tolist(), "scores": scores.tolist(), "losses": {}}
triplet = losses.triplet.TripletDistanceMetric
NEGATIVES = losses.MultipleNegativesRankingLoss


def columns(v, negatives):
    return [v[0::3], v[1::3]] + ([v[2::3]] if negatives else [])


def keep(name, function):
    v = vectors.clone().requires_grad_()
    loss = function(v)
    loss.backward()
    cases["losses"][name] = {"loss": loss.item(), "gradient": v.grad.flatten().tolist()}


def whole(loss, negatives=False):
    return lambda v: loss.compute_loss_from_embeddings(columns(v, negatives), scores)


def nested(loss, sizes, negatives=False):
    return lambda v: sum(
        weight * loss.compute_loss_from_embeddings([shrink(c, size) for c in columns(v, negatives)], scores)
        for size, weight in sizes)


keep("infonce", whole(NEGATIVES(None)))
keep("infonce scale 5", whole(NEGATIVES(None, scale=5)))
keep("infonce negatives", whole(NEGATIVES(None), True))
symmetric = NEGATIVES(None, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction")
keep("infonce symmetric", whole(symmetric))
keep("infonce symmetric negatives", whole(symmetric, True))
keep("triplet cosine", whole(losses.TripletLoss(None, distance_metric=triplet.COSINE, triplet_margin=0.5), True))
keep("triplet euclidean", whole(losses.TripletLoss(None, distance_metric=triplet.EUCLIDEAN, triplet_margin=5), True))
keep("triplet manhattan", whole(losses.TripletLoss(None, distance_metric=triplet.MANHATTAN, triplet_margin=5), True))
keep("cosine", lambda v: F.mse_loss(torch.cosine_similarity(v[0::3], v[1::3]), scores))
keep("cosent", whole(losses.CoSENTLoss(None)))
keep("matryoshka infonce", nested(NEGATIVES(None), [(8, 1), (4, 0.5), (2, 0.25)], True))
keep("matryoshka cosent", nested(losses.CoSENTLoss(None), [(8, 1), (3, 1)]))


def masked(v):
    """Rows 0 and 3 have one positive: neither is a negative of the other."""
    a, b = F.normalize(v[0::3], dim=1), F.normalize(v[1::3], dim=1)
    logits = a @ b.T * 20
    mask = torch.zeros(ROWS, ROWS, dtype=torch.bool)
    mask[0, 3] = mask[3, 0] = True
    return F.cross_entropy(logits.masked_fill(mask, -torch.inf), torch.arange(ROWS))


keep("infonce masked", masked)

# Classifiers: 5 texts, 3 labels.
logits = torch.randn(5, 3, dtype=torch.float64)
classes, several = torch.tensor([2, 0, 1, 1, 2]), [[0, 2], [], [1], [0, 1, 2], [2]]
hot = torch.tensor([[1.0 if c in row else 0 for c in range(3)] for row in several], dtype=torch.float64)
weights = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
told = logits.argmax(1)
cases["classifier"] = {
    "logits": logits.flatten().tolist(), "classes": classes.tolist(), "several": several, "weights": weights.tolist(),
    "single": F.cross_entropy(logits, classes).item(),
    "weighted": F.cross_entropy(logits, classes, weight=weights).item(),
    "smoothed": F.cross_entropy(logits, classes, label_smoothing=0.1).item(),
    "multi": F.binary_cross_entropy_with_logits(logits, hot).item(),
    "regression": F.mse_loss(logits[:, 0], scores[:5]).item(),
    "told": told.tolist(),
}
there = [0, 1, 2, 2, 1, 0, 3, 3, 1, 0]
said = [0, 2, 2, 2, 1, 1, 3, 0, 1, 4]
over = (logits > 0).int()
cases["measures"] = {
    "there": there, "said": said, "accuracy": metrics.accuracy_score(there, said),
    "f1_macro": metrics.f1_score(there, said, average="macro"),
    "f1_micro": metrics.f1_score(there, said, average="micro"),
    "multi_accuracy": metrics.accuracy_score(hot, over), "multi_macro": metrics.f1_score(hot, over, average="macro"),
    "multi_micro": metrics.f1_score(hot, over, average="micro"),
    "a": vectors[0].tolist() + [1, 1, 2], "b": vectors[1].tolist() + [3, 2, 2],
}
a, b = cases["measures"]["a"], cases["measures"]["b"]
cases["measures"] |= {"spearman": stats.spearmanr(a, b)[0], "pearson": stats.pearsonr(a, b)[0]}
pathlib.Path(__file__).with_name("encoders.json").write_text(json.dumps(cases))
