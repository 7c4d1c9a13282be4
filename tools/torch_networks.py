"""The detector and the recognizer in PyTorch, with this library's parameters: for comparison.

Each module takes the subtree of parameters of the Flax module of its name. Arrays are NCHW in
memory of channels last, as PyTorch is fastest; images come and maps go as the library has them.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

Tree = dict[str, Any]
NORM_EPSILON = 1e-5  # Of batch normalisation, as in `deepocr_jax.models.batch_norm`.
NEVER = -1e30


def _tensor(array: np.ndarray) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.array(array, np.float32)), requires_grad=False)


def convolution(kernel: np.ndarray, bias: Any = None, **how: Any) -> nn.Conv2d:
    """Of a kernel [out, in, kh, kw]."""
    out, inner, *size = kernel.shape
    groups = how.get("groups", 1)
    made = nn.Conv2d(inner * groups, out, tuple(size), bias=bias is not None, **how)
    made.weight = _tensor(kernel)
    if bias is not None:
        made.bias = _tensor(bias)
    return made


def full(tree: Tree, stride: int = 1, padding: int = 1) -> nn.Conv2d:
    """A full convolution."""
    inner = tree["Conv_0"]
    kernel = inner["kernel"].transpose(3, 2, 0, 1)
    return convolution(kernel, inner.get("bias"), stride=stride, padding=padding)


def pointwise(tree: Tree) -> nn.Conv2d:
    """A 1x1 convolution."""
    inner = tree["Dense_0"]
    return convolution(inner["kernel"].T[:, :, None, None], inner.get("bias"))


def depthwise(tree: Tree, strides: tuple[int, int] = (1, 1)) -> nn.Conv2d:
    """A depthwise convolution, padded by half its kernel."""
    kernel = tree["kernel"].transpose(2, 0, 1)[:, None]
    half = (kernel.shape[2] // 2, kernel.shape[3] // 2)
    how = {"stride": strides, "padding": half, "groups": len(kernel)}
    return convolution(kernel, tree.get("bias"), **how)


def linear(tree: Tree) -> nn.Linear:
    """A product over the last axis."""
    inner, out = tree["kernel"].shape
    made = nn.Linear(inner, out, bias="bias" in tree)
    made.weight = _tensor(tree["kernel"].T)
    if "bias" in tree:
        made.bias = _tensor(tree["bias"])
    return made


def layer_norm(tree: Tree, epsilon: float) -> nn.LayerNorm:
    """Layer normalisation over the last axis."""
    made = nn.LayerNorm(len(tree["scale"]), eps=epsilon)
    made.weight, made.bias = _tensor(tree["scale"]), _tensor(tree["bias"])
    return made


def batch_norm(params: Tree, stats: Tree) -> nn.BatchNorm1d:
    """Batch normalisation by its running statistics, over [n, c, t]."""
    params, stats = params["BatchNorm_0"], stats["BatchNorm_0"]
    made = nn.BatchNorm1d(len(params["scale"]), eps=NORM_EPSILON)
    made.weight, made.bias = _tensor(params["scale"]), _tensor(params["bias"])
    made.running_mean = torch.from_numpy(np.array(stats["mean"]))
    made.running_var = torch.from_numpy(np.array(stats["var"]))
    return made


class SqueezeExcite(nn.Module):
    """Channel gate."""

    def __init__(self, tree: Tree, slope: float, residual: bool) -> None:
        super().__init__()
        self.down, self.up = pointwise(tree["Pointwise_0"]), pointwise(tree["Pointwise_1"])
        self.slope, self.residual = slope, residual

    def forward(self, x: Tensor) -> Tensor:
        gate = self.up(F.relu(self.down(x.mean((2, 3), keepdim=True))))
        gate = (self.slope * gate + 0.5).clamp(0, 1)
        return x * (1 + gate) if self.residual else x * gate


class Stem(nn.Module):
    """Two branches to a quarter of the resolution."""

    def __init__(self, tree: Tree) -> None:
        super().__init__()
        self.first = full(tree["Conv_0"], stride=2)
        self.narrow = full(tree["Conv_1"], padding=0)
        self.wide = full(tree["Conv_2"], padding=0)
        self.joined = full(tree["Conv_3"], stride=2)
        self.last = pointwise(tree["Pointwise_0"])

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(F.relu(self.first(x)), (0, 1, 0, 1))
        y = F.pad(F.relu(self.narrow(x)), (0, 1, 0, 1))
        y = torch.cat([F.max_pool2d(x, 2, 1), F.relu(self.wide(y))], 1)
        return F.relu(self.last(F.relu(self.joined(y))))


class Block(nn.Module):
    """Depthwise convolution, gate, two pointwise ones."""

    def __init__(self, tree: Tree, strides: tuple[int, int]) -> None:
        super().__init__()
        self.mix = depthwise(tree["Depthwise_0"], strides)
        gate = tree.get("SqueezeExcite_0")
        self.gate = nn.Identity() if gate is None else SqueezeExcite(gate, 1 / 6, False)
        self.widen, self.narrow = pointwise(tree["Pointwise_0"]), pointwise(tree["Pointwise_1"])
        same = self.narrow.out_channels == self.widen.in_channels
        self.keeps_shape = strides == (1, 1) and same

    def forward(self, x: Tensor) -> Tensor:
        x = self.gate(self.mix(x))
        y = self.narrow(F.gelu(self.widen(x)))
        return x + y if self.keeps_shape else y


class LCNet(nn.Module):
    """The backbone; gives the output of every stage."""

    def __init__(self, tree: Tree, spec: Tree) -> None:
        super().__init__()
        self.stem = Stem(tree["Stem_0"])
        self.stages = nn.ModuleList()
        number = 0
        for stage in spec["stages"]:
            blocks = []
            for block in stage:
                blocks.append(Block(tree[f"Block_{number}"], tuple(block["strides"])))
                number += 1
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs


class Pyramid(nn.Module):
    """RepLKFPN: laterals from the coarsest on, large depthwise kernels, all levels joined."""

    def __init__(self, tree: Tree, levels: int) -> None:
        super().__init__()

        def gated(numbers: range) -> nn.ModuleList:
            parts = [
                nn.Sequential(
                    pointwise(tree[f"Pointwise_{i}"]),
                    SqueezeExcite(tree[f"SqueezeExcite_{i}"], 0.2, True),
                )
                for i in numbers
            ]
            return nn.ModuleList(parts)

        self.lateral = gated(range(levels))
        self.mix = nn.ModuleList(depthwise(tree[f"Depthwise_{i}"]) for i in range(levels))
        self.out = gated(range(levels, 2 * levels))

    def forward(self, stages: list[Tensor]) -> Tensor:
        sides = [f(x) for f, x in zip(self.lateral, reversed(stages), strict=True)]
        merged = [sides[0]]
        for x in sides[1:]:
            merged.append(x + F.interpolate(merged[-1], scale_factor=2.0, mode="nearest"))
        levels = []
        for number, (mix, out, x) in enumerate(zip(self.mix, self.out, merged, strict=True)):
            factor = float(2 ** (len(merged) - 1 - number))
            levels.append(F.interpolate(out(mix(x)), scale_factor=factor, mode="nearest"))
        return torch.cat(levels, 1)


def transposed(kernel: np.ndarray, bias: np.ndarray) -> nn.ConvTranspose2d:
    """A 2x2 transposed convolution of stride 2, of a product with columns (row, col, out)."""
    inner, out = kernel.shape[0], len(bias)
    made = nn.ConvTranspose2d(inner, out, 2, 2)
    made.weight = _tensor(kernel.reshape(inner, 2, 2, out).transpose(0, 3, 1, 2))
    made.bias = _tensor(bias)
    return made


class Detector(nn.Module):
    """uint8 RGB [n, h, w, 3] -> text probability [n, h, w] float32."""

    def __init__(self, variables: Tree, spec: Tree, preprocess: Tree) -> None:
        super().__init__()
        tree = variables["params"]
        self.preprocess = preprocess
        self.backbone = LCNet(tree["LCNet_0"], spec["backbone"])
        self.neck = Pyramid(tree["RepLKFPN_0"], len(spec["backbone"]["stages"]))
        head = tree["DBHead_0"]
        self.first = full(head["Conv_0"])
        self.up = transposed(head["Pointwise_0"]["Dense_0"]["kernel"], head["up_bias"])
        self.last = transposed(head["Pointwise_1"]["Dense_0"]["kernel"], head["out_bias"])

    def forward(self, images: Tensor) -> Tensor:
        x = normalize(images, self.preprocess).to(self.first.weight.dtype)
        x = self.neck(self.backbone(x))
        x = self.last(F.relu(self.up(F.relu(self.first(x)))))
        return torch.sigmoid(x[:, 0].float())


def normalize(images: Tensor, preprocess: Tree) -> Tensor:
    """uint8 RGB [n, h, w, 3] -> the network's input [n, 3, h, w] float32, channels last."""
    if preprocess["channel_order"] == "bgr":
        images = images.flip(3)
    x = (images.float() - preprocess["mean"]) / preprocess["deviation"]
    return x.permute(0, 3, 1, 2)


class NormSwish(nn.Module):
    """Product, batch normalisation, swish: [n, c, t] -> [n, f, t]."""

    def __init__(self, params: Tree, stats: Tree) -> None:
        super().__init__()
        kernel = params["Pointwise_0"]["Dense_0"]["kernel"]
        self.mix = nn.Conv1d(kernel.shape[0], kernel.shape[1], 1, bias=False)
        self.mix.weight = _tensor(kernel.T[:, :, None])
        self.norm = batch_norm(params["BatchNorm_0"], stats["BatchNorm_0"])

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.norm(self.mix(x)))


class AttentionBlock(nn.Module):
    """Pre-norm transformer block over [n, t, c]."""

    def __init__(self, tree: Tree, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(layer_norm(tree[f"LayerNorm_{i}"], 1e-5) for i in (0, 1))
        attention = tree["Attention_0"]
        self.into, self.out = linear(attention["Dense_0"]), linear(attention["Dense_1"])
        self.widen, self.narrow = linear(tree["Dense_0"]), linear(tree["Dense_1"])

    def forward(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        qkv = self.into(self.norms[0](x)).reshape(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        x = x + self.out(mixed.transpose(1, 2).reshape(n, t, c))
        return x + self.narrow(F.silu(self.widen(self.norms[1](x))))


class Recognizer(nn.Module):
    """uint8 RGB [n, 48, w, 3] and widths [n] -> best class, margin, features of each frame."""

    def __init__(self, variables: Tree, spec: Tree, preprocess: Tree, head: Tree) -> None:
        super().__init__()
        params = variables["params"]["body"]
        neck = params["AttentionNeck_0"]
        stats = variables["batch_stats"]["body"]["AttentionNeck_0"]
        self.preprocess, self.space = preprocess, int(head["space"])
        self.backbone = LCNet(params["LCNet_0"], spec["backbone"])
        both = ("PointwiseNormSwish_0", "PointwiseNormSwish_1")
        self.short, self.long = (NormSwish(neck[name], stats[name]) for name in both)
        kernel = neck["Depthwise_0"]["kernel"].transpose(2, 0, 1)
        channels, size = len(kernel), kernel.shape[2]
        self.local = nn.Conv1d(
            channels, channels, size, padding=size // 2, groups=channels, bias=False
        )
        self.local.weight = _tensor(kernel)
        self.norm = batch_norm(neck["BatchNorm_0"], stats["BatchNorm_0"])
        blocks = [neck[f"AttentionBlock_{i}"] for i in range(spec["neck_depth"])]
        self.blocks = nn.Sequential(*(AttentionBlock(x, spec["num_heads"]) for x in blocks))
        self.last = layer_norm(neck["LayerNorm_0"], 1e-6)
        self.head = linear(head)

    def forward(self, crops: Tensor, widths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = normalize(crops, self.preprocess)
        inside = torch.arange(x.shape[3], device=x.device) < widths[:, None]
        x = torch.where(inside[:, None, None, :], x, 0.0).to(self.head.weight.dtype)
        x = F.avg_pool2d(self.backbone(x)[-1], (3, 2))[:, :, 0]
        short, x = self.short(x), self.long(x)
        x = x + F.silu(self.norm(self.local(x)))
        features = short.transpose(1, 2) + self.last(self.blocks(x.transpose(1, 2)))
        logits = self.head(features).float()
        largest, best = logits.max(-1)
        margin = logits[..., self.space] - largest
        return best, torch.full_like(margin, NEVER) if self.space == 0 else margin, features
