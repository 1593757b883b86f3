"""A training step of a small Mixtral (8 experts, 2 of them active) by transformers on the CPU: the counterpart of
`train-step mixtral`, with the same shapes, forward, loss, backward, clipping to norm 1, AdamW, in float32.

    python3 Benchmarks/pairs.py --pairs 5 --figure tok_per_s:tok_per_s -- \\
        '.build/release/train-step mixtral 9' 'python3 Benchmarks/mixture_step.py'

Needs torch and transformers. An argument names one of its ways to compute experts (`eager`, `batched_mm`, `grouped_mm`) in
place of the one that it chooses. Prints a line of JSON.
"""
import json, resource, sys, time
import torch
import transformers

options = dict(experts_implementation=sys.argv[1]) if len(sys.argv) > 1 else {}
torch.set_num_threads(2)
batch, length, vocabulary = 8, 256, 10000
config = transformers.MixtralConfig(
    vocab_size=vocabulary, hidden_size=512, intermediate_size=1344, num_hidden_layers=4, num_attention_heads=16,
    num_key_value_heads=16, num_local_experts=8, num_experts_per_tok=2, max_position_embeddings=256, sliding_window=None,
    tie_word_embeddings=False)
model = transformers.AutoModelForCausalLM.from_config(config, **options)
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
ids, seconds = torch.randint(0, vocabulary, (batch, length)), []
for step in range(8):
    begun = time.time()
    loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    if step >= 3: seconds.append(time.time() - begun)
middle = sorted(seconds)[len(seconds) // 2]
print(json.dumps(dict(
    peer="transformers " + transformers.__version__, case="mixtral", way=model.config._experts_implementation, params=sum(p.numel() for p in model.parameters()),
    tok_per_s=round(batch * length / middle, 1), step_ms=round(middle * 1000),
    rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)))
