"""One step of MusicGen's decoder for fast sampling, with everything prepared that can be.

transformers' own `generate` is right and general; this does only what sampling needs, on the same
weights:

- self-attention's keys and values lie in blocks made once for the whole piece, written in place;
- cross-attention's keys and values do not change from step to step: they are computed once and,
  where the condition is short, multiplied into the two projections around them (q·k = x Wq·k, so
  that Wq k is one small matrix a head and token);
- both halves of guidance are one batch. The null half has zeros for its condition and MusicGen's
  projections have no bias, so its cross-attention is exactly 0 and is left out; before the first
  cross-attention both halves are equal, so they are computed once; the heads are linear, so
  guidance is applied before them, once;
- q, k and v are one product, as are the K heads; on a CPU the weights are laid out once for
  products of few rows, and for torch.compile a layer is one program.

Notebook: 03.
"""

import torch
from torch.nn import functional as F

from lib.core.errors import KlangfarbeError

FEW_ROWS = 4  # up to here a compiled step's products are sums over rows


class StaticDecoder:
    """A transformers MusicgenForCausalLM, repacked for sampling `n_items` pieces of up to
    `n_positions` steps.

    Args:
        packed: weights laid out once for oneDNN, on a CPU. compiled: torch.compile makes one
            program of a layer, for all of them.

    Attributes:
        cache: keys and values of each layer, [2, rows, heads, positions, D/heads]; rows = B in the
            first layer, with guidance 2B in the others; positions are rounded up to a multiple of
            16, which attention's kernels ask for.
    """

    def __init__(self, network, n_items: int, n_positions: int, guidance: float = 1.0, *,
                 packed: bool = False, compiled: bool = False):
        config, decoder = network.config, network.model.decoder
        if config.activation_function != "gelu":
            raise KlangfarbeError("a decoder with gelu", config.activation_function,
                                  "sample with transformers' own generate")
        self.n_items, self.n_codebooks, self.vocabulary = (n_items, config.num_codebooks,
                                                           config.vocab_size)
        self.heads, self.guidance = config.num_attention_heads, float(guidance)
        self.rows = 2 * n_items if self.guidance != 1.0 else n_items
        self.table = torch.cat([e.weight for e in decoder.embed_tokens]).detach()
        device, dtype = self.table.device, self.table.dtype
        self.offsets = torch.arange(self.n_codebooks, device=device) * (self.vocabulary + 1)
        self.positions = decoder.embed_positions.get_embedding(n_positions,
                                                               config.hidden_size).to(device, dtype)
        self.lay, self.product = (_lay_packed,
                                  _packed) if packed and can_pack(self.table) else (_lay, _plain)
        if compiled and self.rows <= FEW_ROWS:
            self.product = _by_rows
        self.layers = [_layer(layer, n_items if i == 0 else self.rows, self.lay) for i,
                       layer in enumerate(decoder.layers)]
        self.attentions, self.crosses = [layer.encoder_attn for layer in decoder.layers], []
        self.norm = _norm(decoder.layer_norm)
        self.to_logits = self.lay(torch.cat([head.weight for head in network.lm_heads]), n_items)
        n_places = -(-n_positions // 16) * 16
        self.cache = [torch.zeros(2, n_items if i == 0 else self.rows, self.heads, n_places,
                                  config.hidden_size // self.heads, device=device, dtype=dtype)
                      for i in range(len(self.layers))]
        self.places = torch.arange(n_places, device=device)
        self.block = torch.compile(block, dynamic=False, fullgraph=True) if compiled else block

    def condition(self, states: torch.Tensor, mask: torch.Tensor) -> None:
        """Computes once what cross-attention needs: states [B, L, D] of the decoder's width, mask
        [B, L] (1: a real token).

        An item without one real token has zeros for its condition, as the null half has.
        """
        mask = mask.bool()
        states = (states * mask[..., None]).to(self.table.dtype)
        seen = mask | ~mask.any(1, keepdim=True)
        seen = None if bool(seen.all()) else seen[:, None, None, :]  # [B, 1, 1, L]
        self.crosses = [_cross(attention, states, seen, self.heads)
                        for attention in self.attentions]

    def step(self, tokens: torch.Tensor, at: torch.Tensor,
             length: int | None = None) -> torch.Tensor:
        """Reads one column of the delayed line and predicts the next.

        Args:
            tokens: int64 [B, K]. at: int64 [1], the column's number. length: ``at + 1`` as a
                number, so that attention looks at just so many places; ``None``: it looks at all
                and masks the future, which keeps every shape fixed (compiled, captured).

        Returns:
            Guided logits [B, K, V].
        """
        # [B, D]
        x = F.embedding(tokens + self.offsets,
                        self.table).sum(1) + self.positions.index_select(0, at)
        future = None  # what is added to the scores: −∞ where a place is not yet written
        if not length:
            future = torch.zeros(len(self.places), dtype=x.dtype,
                                 device=x.device).masked_fill_(self.places > at, -torch.inf)
            future = future.view(1, 1, 1, -1)
        for layer, cross, cache in zip(self.layers, self.crosses, self.cache, strict=True):
            x = self.block(x, layer, cross, cache, at, future, length, self.rows, self.product)
        x = F.layer_norm(x, x.shape[1:], *self.norm)
        if self.rows > self.n_items:
            asked, null = x.chunk(2)
            x = torch.lerp(null, asked, self.guidance)  # null + guidance · (asked − null)
        return self.product(x, self.to_logits).view(self.n_items, self.n_codebooks, self.vocabulary)


def block(x, layer: dict, cross: dict, cache, at, future, length: int | None, rows: int,
          product) -> torch.Tensor:
    """One decoder layer for one column: [B or rows, D] → [rows, D]; the column's keys and values
    are written into `cache`.

    Everything comes in as a tensor, so that torch.compile makes one program for all layers.

    Args:
        layer, cross: of :func:`_layer` and :func:`_cross`. future: added to the scores [1, 1, 1,
            positions], or ``None`` with a `length`.
        product: ``product(x, weight, added=None, gelu=False)`` = x · weightᵀ (+ added), or gelu of
            it; `added` may be written over.
    """
    n_items, heads = (cross["values"] if "values" in cross
                      else cross["give"]).shape[0], cache.shape[2]
    qkv = product(_normed(x, layer["norm_self"]), layer["qkv"]).view(len(x), 3, heads, 1, -1)
    cache.index_copy_(3, at, qkv[:, 1:].transpose(0, 1))
    keys, values = cache if length is None else cache[:, :, :, :length]
    attended = F.scaled_dot_product_attention(qkv[:, 0], keys, values, attn_mask=future)
    x = product(attended.reshape(x.shape), layer["out"], x)
    if len(x) < rows:
        x = torch.cat([x, x])  # from here on the halves differ
    x[:n_items] += _answer(_normed(x[:n_items], layer["norm_cross"]), cross, heads)
    return product(product(_normed(x, layer["norm_ff"]), layer["ff_in"], gelu=True),
                   layer["ff_out"], x)


def _cross(attention, states: torch.Tensor, seen: torch.Tensor | None, heads: int) -> dict:
    """Cross-attention to a condition that stays: keys and values of states [B, L, D], or, where
    these are smaller, their products with the projections around them, ``ask`` [B, D, H·L] and
    ``give`` [B, H·L, D]; ``seen`` [B, 1, 1, L] where some tokens are not.
    """
    w_q, w_k, w_v, w_out = (p.weight.detach()
                            for p in (attention.q_proj, attention.k_proj, attention.v_proj,
                                      attention.out_proj))
    (n_items, n_tokens, width), split = states.shape, (*states.shape[:2], heads, -1)
    keys, values = ((states @ weight.t()).view(split).transpose(1, 2).contiguous()
                    for weight in (w_k, w_v))
    marks = {} if seen is None else {"seen": seen}
    if n_items * heads * n_tokens > 4 * width:
        return {"keys": keys, "values": values, "q": w_q, "out": w_out} | marks
    q, out = w_q.view(heads, -1, width), w_out.t().reshape(heads, -1, width)  # [H, D/H, D]
    ask = torch.einsum("bhld,hdi->bihl", keys, q) * q.shape[1] ** -0.5
    give = torch.einsum("bhld,hdo->bhlo", values, out)
    return {"ask": ask.reshape(n_items, width, -1).contiguous(),
            "give": give.reshape(n_items, -1, width).contiguous()} | marks


def _answer(x: torch.Tensor, cross: dict, heads: int) -> torch.Tensor:
    """What cross-attention adds to x [B, D]."""
    if "ask" in cross:
        scores = torch.bmm(x[:, None], cross["ask"]).view(len(x), heads, 1, -1)
        if "seen" in cross:
            scores = scores.masked_fill(~cross["seen"], -torch.inf)
        return torch.bmm(torch.softmax(scores, -1).view(len(x), 1, -1), cross["give"]).squeeze(1)
    q = F.linear(x, cross["q"]).view(len(x), heads, 1, -1)
    heard = F.scaled_dot_product_attention(q, cross["keys"], cross["values"],
                                           attn_mask=cross.get("seen"))
    return F.linear(heard.view(x.shape), cross["out"])


def exponential_noise(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Minus the waiting times, at rate 1, that :func:`draw` reads: ln u, u uniform in [0, 1)."""
    return torch.empty(shape, device=generator.device).uniform_(generator=generator).log_()


def sample_token(logits: torch.Tensor, temperature: float, clock: torch.Tensor) -> torch.Tensor:
    """Draws one token a row from softmax(logits / temperature) cut to its largest: [..., V] → int64
    [...].

    Of exponential waiting times with the tokens' probabilities as rates, each token comes first
    just that often.

    Args:
        clock: of :func:`clocks`, [..., k]; k is how many tokens are kept, 1 is greedy.
    """
    best, which = logits.float().topk(clock.shape[-1], sorted=False)
    first = (torch.softmax(best / temperature, -1) / clock).argmin(-1, keepdim=True)
    return which.gather(-1, first).squeeze(-1)


def can_pack(weight: torch.Tensor) -> bool:
    """Whether oneDNN can lay this weight out once for products with few rows (float32 on a CPU that
    has it).
    """
    known = hasattr(torch.ops.mkldnn, "_reorder_linear_weight") and hasattr(torch.ops.mkldnn,
                                                                            "_linear_pointwise")
    return (known and torch.backends.mkldnn.is_available() and weight.device.type == "cpu"
            and weight.dtype == torch.float32)


def _lay(weight: torch.Tensor, n_rows: int) -> torch.Tensor:
    return weight.detach().contiguous()


def _lay_packed(weight: torch.Tensor, n_rows: int) -> torch.Tensor:
    """The weight laid out for products of `n_rows` rows: an ordinary product lays it out anew at
    every call.
    """
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), n_rows)


def _plain(x, weight, added=None, gelu: bool = False):
    made = F.linear(x, weight) if added is None else added.addmm_(x, weight.t())
    return F.gelu(made) if gelu else made


def _packed(x, weight, added=None, gelu: bool = False):
    linear, after = torch.ops.mkldnn._linear_pointwise, ("gelu", [],
                                                         "none") if gelu else ("none", [], "")
    return linear(x, weight, None, *after) if added is None else linear.binary(x, added, weight,
                                                                               None, "add")


def _by_rows(x, weight, added=None, gelu: bool = False):
    """For a few rows, as sums that a compiler fuses with what stands around them: a matrix
    product's tiles would be nearly empty.

    Not where many inputs make fewer outputs: fused, these inputs (a gelu) would be computed anew
    for every output.
    """
    if x.shape[1] > len(weight):
        return _plain(x, weight, added, gelu)
    made = [(weight * row).sum(-1) for row in x]
    made = torch.stack([F.gelu(row) for row in made] if gelu else made)
    return made if added is None else added + made


def _normed(x: torch.Tensor, norm: tuple) -> torch.Tensor:
    return F.layer_norm(x, x.shape[1:], *norm)


def _norm(norm) -> tuple:
    return norm.weight.detach(), norm.bias.detach(), norm.eps


def _layer(layer, n_rows: int, lay) -> dict:
    """A decoder layer's weights, laid out, and norms by name."""
    own, other = layer.self_attn, layer.encoder_attn
    qkv = (own.q_proj, own.k_proj, own.v_proj)
    linears = (*qkv, own.out_proj, other.q_proj, other.k_proj, other.v_proj, other.out_proj,
               layer.fc1, layer.fc2)
    if any(linear.bias is not None for linear in linears):
        raise KlangfarbeError("projections without bias, as MusicGen has them", "a bias",
                              "sample with transformers' own generate")
    return {"qkv": lay(torch.cat([linear.weight for linear in qkv]), n_rows),
            "out": lay(own.out_proj.weight, n_rows), "ff_in": lay(layer.fc1.weight, n_rows),
            "ff_out": lay(layer.fc2.weight, n_rows), "norm_self": _norm(layer.self_attn_layer_norm),
            "norm_cross": _norm(layer.encoder_attn_layer_norm),
            "norm_ff": _norm(layer.final_layer_norm)}
