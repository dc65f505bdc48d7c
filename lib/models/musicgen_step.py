"""One step of MusicGen's decoder (transformers' own network) for fast sampling: what can be is made
beforehand, and guidance's null half, whose cross-attention is 0, is computed only where it differs.
Notebook: 03."""

import torch
from torch import Tensor
from torch.nn import functional as F


class StaticDecoder:
    """A transformers MusicgenForCausalLM, repacked for `n_items` pieces of `n_positions` steps."""
    def __init__(self, network, n_items: int, n_positions: int, guidance: float = 1.0, *,
                 packed: bool = False):
        config, decoder = network.config, network.model.decoder
        self.n_items, self.guidance = n_items, float(guidance)
        self.n_codebooks, self.vocabulary = config.num_codebooks, config.vocab_size
        self.heads = config.num_attention_heads
        self.rows = 2 * n_items if self.guidance != 1.0 else n_items
        self.table = torch.cat([e.weight for e in decoder.embed_tokens]).detach()
        device, dtype = self.table.device, self.table.dtype
        self.offsets = torch.arange(self.n_codebooks, device=device) * (self.vocabulary + 1)
        self.positions = decoder.embed_positions.get_embedding(n_positions, config.hidden_size)
        self.positions = self.positions.to(device, dtype)
        packed = (packed and device.type == "cpu" and dtype == torch.float32
                  and torch.backends.mkldnn.is_available())
        self.product = packed_product if packed else plain_product
        def lay(weight, n_rows):  # an ordinary product lays its weight out anew at every call
            weight = weight.detach().contiguous()
            return torch.ops.mkldnn._reorder_linear_weight(weight, n_rows) if packed else weight
        def norm(layer):
            return layer.weight.detach(), layer.bias.detach(), layer.eps
        self.layers = []
        for layer in decoder.layers:
            n_rows, own = self.rows if self.layers else n_items, layer.self_attn
            qkv = torch.cat([own.q_proj.weight, own.k_proj.weight, own.v_proj.weight])
            self.layers.append({
                "qkv": lay(qkv, n_rows), "out": lay(own.out_proj.weight, n_rows),
                "ff_in": lay(layer.fc1.weight, n_rows), "ff_out": lay(layer.fc2.weight, n_rows),
                "norm_self": norm(layer.self_attn_layer_norm),
                "norm_cross": norm(layer.encoder_attn_layer_norm),
                "norm_ff": norm(layer.final_layer_norm)})
        self.attentions, self.crosses = [layer.encoder_attn for layer in decoder.layers], []
        self.norm = norm(decoder.layer_norm)
        self.to_logits = lay(torch.cat([head.weight for head in network.lm_heads]), n_items)
        self.places = torch.arange(-(-n_positions // 16) * 16, device=device)  # kernels ask for 16s
        # [2, rows, heads, positions, D/heads]; rows: B in the first layer, with guidance 2B beyond
        self.cache = [torch.zeros(2, self.rows if i else n_items, self.heads, len(self.places),
                                  config.hidden_size // self.heads, device=device, dtype=dtype)
                      for i in range(len(self.layers))]

    def condition(self, states: Tensor, mask: Tensor) -> None:
        """States [B, L, D], mask [B, L] → each layer's keys and values, or smaller products with q
        and out, ``ask`` [B, D, H·L] and ``give`` [B, H·L, D]."""
        mask, (n_items, n_tokens, width) = mask.bool(), states.shape
        states = (states * mask[..., None]).to(self.table.dtype)
        seen = mask | ~mask.any(1, keepdim=True)  # an item without a real token: zeros, as the null
        marks = {} if bool(seen.all()) else {"seen": seen[:, None, None]}  # [B, 1, 1, L]
        self.crosses = []
        for attention in self.attentions:
            w_q, w_out = attention.q_proj.weight.detach(), attention.out_proj.weight.detach()
            keys, values = ((states @ part.weight.detach().t()).unflatten(2, (self.heads, -1))
                            .transpose(1, 2).contiguous()
                            for part in (attention.k_proj, attention.v_proj))  # [B, H, L, D/H]
            if n_items * self.heads * n_tokens > 4 * width:
                self.crosses.append(marks | {"keys": keys, "values": values, "q": w_q,
                                             "out": w_out})
                continue
            q, out = (w.reshape(self.heads, -1, width) for w in (w_q, w_out.t()))  # [H, D/H, D]
            ask = torch.einsum("bhld,hdi->bihl", keys, q) * q.shape[1] ** -0.5
            give = torch.einsum("bhld,hdo->bhlo", values, out)
            self.crosses.append({"ask": ask.reshape(n_items, width, -1).contiguous(),
                                 "give": give.reshape(n_items, -1, width).contiguous()} | marks)

    def step(self, tokens: Tensor, at: Tensor, length: int | None = None) -> Tensor:
        """Column `at` (int64 [1]) of the line, [B, K] → guided logits [B, K, V] of the next; if no
        `length`, ``at + 1``, is given, shapes are fixed."""
        x = F.embedding(tokens + self.offsets, self.table).sum(1)  # [B, D]
        x = x + self.positions.index_select(0, at)
        future = None  # what is added to the scores: −∞ where a place is not yet written
        if not length:
            future = torch.zeros(len(self.places), dtype=x.dtype, device=x.device)
            future = future.masked_fill_(self.places > at, -torch.inf).view(1, 1, 1, -1)
        for layer, cross, cache in zip(self.layers, self.crosses, self.cache, strict=True):
            x = block(x, layer, cross, cache, at, future, length, self.rows, self.product)
        x = F.layer_norm(x, x.shape[1:], *self.norm)
        if self.rows > self.n_items:
            asked, null = x.chunk(2)
            x = torch.lerp(null, asked, self.guidance)  # null + guidance · (asked − null)
        return self.product(x, self.to_logits).view(self.n_items, self.n_codebooks, self.vocabulary)


def block(x, layer: dict, cross: dict, cache, at, future, length: int | None, rows: int,
          product) -> Tensor:
    """One decoder layer, one column: [B or rows, D] → [rows, D]; all tensors, for torch.compile."""
    heads = cache.shape[2]
    n_items = len(cross["values"] if "values" in cross else cross["give"])
    def normed(x, name):
        return F.layer_norm(x, x.shape[1:], *layer[name])
    qkv = product(normed(x, "norm_self"), layer["qkv"]).view(len(x), 3, heads, 1, -1)
    cache.index_copy_(3, at, qkv[:, 1:].transpose(0, 1))
    keys, values = cache if length is None else cache[:, :, :, :length]
    attended = F.scaled_dot_product_attention(qkv[:, 0], keys, values, attn_mask=future)
    x = product(attended.reshape(x.shape), layer["out"], x)
    if len(x) < rows:
        x = torch.cat([x, x])  # from here on the halves of guidance differ
    asked = normed(x[:n_items], "norm_cross")
    if "ask" in cross:
        scores = torch.bmm(asked[:, None], cross["ask"]).view(n_items, heads, 1, -1)
        if "seen" in cross:
            scores = scores.masked_fill(~cross["seen"], -torch.inf)
        shares = torch.softmax(scores, -1).view(n_items, 1, -1)
        x[:n_items] += torch.bmm(shares, cross["give"]).squeeze(1)
    else:
        q = F.linear(asked, cross["q"]).view(n_items, heads, 1, -1)
        mixed = F.scaled_dot_product_attention(q, cross["keys"], cross["values"],
                                               attn_mask=cross.get("seen"))
        x[:n_items] += F.linear(mixed.view(asked.shape), cross["out"])
    return product(product(normed(x, "norm_ff"), layer["ff_in"], gelu=True), layer["ff_out"], x)


def plain_product(x, weight, added=None, gelu: bool = False) -> Tensor:
    """x · weightᵀ (+ added, which may be written over), or gelu of it."""
    made = F.linear(x, weight) if added is None else added.addmm_(x, weight.t())
    return F.gelu(made) if gelu else made


def packed_product(x, weight, added=None, gelu: bool = False) -> Tensor:
    """The same with a weight that oneDNN has laid out."""
    linear, after = torch.ops.mkldnn._linear_pointwise, ("gelu", [], "none") if gelu else (
        "none", [], "")
    return linear(x, weight, None, *after) if added is None else linear.binary(
        x, added, weight, None, "add")


def exponential_noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Minus waiting times at rate 1: ln u, u uniform in [0, 1)."""
    return torch.empty(shape, device=generator.device).uniform_(generator=generator).log_()


def sample_token(logits: Tensor, temperature: float, noise: Tensor) -> Tensor:
    """Logits [..., V], noise [..., k] → int64 [...], from the k largest (1: greedy): the first of
    exponential waiting times with probabilities for rates."""
    best, which = logits.float().topk(noise.shape[-1], sorted=False)
    first = (torch.softmax(best / temperature, -1) / noise).argmin(-1, keepdim=True)
    return which.gather(-1, first).squeeze(-1)
