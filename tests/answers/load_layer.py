"""Answers to `load_layer(block, weights, i)`: it fills the block, and returns nothing."""

import copy

import torch
from torch import nn

from answers import known, right, unlisted
from attention_core.practice.exercises.load_layer import PARTS, File

FILE = File(2, 4, 2, 4, 500)
NAMES = {
    "attention.self.query": "attention.to_query",
    "attention.self.key": "attention.to_key",
    "attention.self.value": "attention.to_value",
    "attention.output.dense": "attention.to_output",
    "intermediate.dense": "feed_forward.0",
    "output.dense": "feed_forward.2",
    "attention.output.LayerNorm": "norm_1",
    "output.LayerNorm": "norm_2",
}


@right
def part_by_part(block, weights, i):
    start = f"encoder.layer.{i}."
    parts = {
        "attention.self.query": block.attention.to_query,
        "attention.self.key": block.attention.to_key,
        "attention.self.value": block.attention.to_value,
        "attention.output.dense": block.attention.to_output,
        "attention.output.LayerNorm": block.norm_1,
        "intermediate.dense": block.feed_forward[0],
        "output.dense": block.feed_forward[2],
        "output.LayerNorm": block.norm_2,
    }
    with torch.no_grad():
        for name, part in parts.items():
            part.weight.copy_(weights[f"{start}{name}.weight"])
            part.bias.copy_(weights[f"{start}{name}.bias"])


@right
def renamed_and_loaded(block, weights, i):
    state = {}
    for theirs, ours in NAMES.items():
        for kind in ("weight", "bias"):
            state[f"{ours}.{kind}"] = weights[f"encoder.layer.{i}.{theirs}.{kind}"]
    block.load_state_dict(state)


@right
def data_written_into(block, weights, i):
    for theirs, ours in NAMES.items():
        part = block.get_submodule(ours)
        part.weight.data[:] = weights[f"encoder.layer.{i}.{theirs}.weight"]
        part.bias.data.copy_(weights[f"encoder.layer.{i}.{theirs}.bias"])


@right
def new_parameters(block, weights, i):
    for theirs, ours in NAMES.items():
        part = block.get_submodule(ours)
        part.weight = nn.Parameter(weights[f"encoder.layer.{i}.{theirs}.weight"].clone())
        part.bias = nn.Parameter(weights[f"encoder.layer.{i}.{theirs}.bias"].clone())
    return block


@right
def found_by_the_beginning(block, weights, i):
    start = f"encoder.layer.{i}."
    own = {name.removeprefix(start): x for name, x in weights.items() if name.startswith(start)}
    for theirs, ours in NAMES.items():
        rest = {name.rpartition(".")[2]: x for name, x in own.items() if name.rpartition(".")[0] == theirs}
        block.get_submodule(ours).load_state_dict(rest)


def loads(name=lambda part: part, change=lambda part, x: x, layer=lambda i: i, skip=()):
    """An answer with one thing otherwise: the name of what a part gets, its numbers, or the layer."""

    def load(block, weights, i):
        with torch.no_grad():
            for part, parameter in block.named_parameters():
                if part not in skip:
                    theirs = f"encoder.layer.{layer(i)}.{PARTS[name(part)]}"
                    parameter.copy_(change(part, weights[theirs]))

    return load


def swapped(one, two):
    return lambda part: part.replace(one, "?").replace(two, one).replace("?", two)


def wrong(bug, called, /, **changes):
    answer = loads(**changes)
    answer.__name__, answer.__module__ = called, __name__
    known(bug)(answer)


BIASES = tuple(part for part in PARTS if part.endswith("bias"))
wrong("transposed", "every_matrix_turned", change=lambda part, x: x.T if x.ndim > 1 else x)
wrong("transposed", "one_matrix_turned", change=lambda part, x: x.T if part == "feed_forward.2.weight" else x)
wrong("key-and-value-swapped", "value_for_key", name=swapped("to_key", "to_value"))
wrong("query-and-key-swapped", "key_for_query", name=swapped("to_query", "to_key"))
wrong("query-and-value-swapped", "value_for_query", name=swapped("to_query", "to_value"))
wrong("norms-swapped", "norm_for_norm", name=swapped("norm_1", "norm_2"))
wrong("feed-forward-swapped", "output_for_intermediate", name=swapped("feed_forward.0", "feed_forward.2"))
wrong("outputs-mixed", "output_for_output", name=swapped("attention.to_output", "feed_forward.2"))
wrong("bias-forgotten", "weights_only", skip=BIASES)
wrong("bias-forgotten", "one_bias_forgotten", skip=("attention.to_value.bias",))
wrong("key-bias-forgotten", "the_bias_that_is_not_seen", skip=("attention.to_key.bias",))
wrong("left-out", "no_norms", skip=tuple(part for part in PARTS if "norm" in part))
wrong("nothing-loaded", "all_left_out", skip=tuple(PARTS))
wrong("always-layer-0", "layer_0_each_time", layer=lambda i: 0)
wrong("layer-off-by-one", "counted_from_1", layer=lambda i: i + 1)
wrong("another-layer", "from_the_end", layer=lambda i: 1 - i if i < 2 else i)
wrong("another-layer", "two_further_on", layer=lambda i: i + 2)
wrong("another-tensor", "value_for_key_and_value", name=lambda part: part.replace("to_key", "to_value"))
wrong("scaled", "scale_folded_in", change=lambda part, x: x / 2**0.5 if "query" in part else x)
wrong("zeroed", "biases_cleared", change=lambda part, x: 0 * x if part in BIASES else x)
wrong(
    "weight-and-bias-swapped",
    "bias_for_weight",
    name=lambda part: swapped("weight", "bias")(part) if "norm" in part else part,
)


@known("added")
def added_to_what_was_there(block, weights, i):
    with torch.no_grad():
        for part, parameter in block.named_parameters():
            parameter += weights[f"encoder.layer.{i}.{PARTS[part]}"]


@known("prefix-too-short")
def begins_alike(block, weights, i):
    with torch.no_grad():
        for name, x in weights.items():
            for part, theirs in PARTS.items():
                if name.startswith(f"encoder.layer.{i}") and name.endswith(f"{theirs}"):
                    if theirs.startswith("output") and "attention" in name:
                        continue
                    block.get_parameter(part).copy_(x)


def of_another_shape(f):
    file = File(2, 4, 2, 8, 500)
    block, weights = file.block(), file.weights()
    f(block, weights, 0)
    return block.feed_forward[0].weight.shape != (8, 4)


@unlisted("feed_forward.0.weight should have shape (12, 6); it has (6, 12)", of_another_shape)
def brought_into_the_shape_of_the_other(block, weights, i):
    with torch.no_grad():
        for part, parameter in block.named_parameters():
            x = weights[f"encoder.layer.{i}.{PARTS[part]}"]
            parameter.data = x.reshape(x.T.shape).clone() if x.ndim > 1 else x.clone()


@known("another-tensor")
def the_last_that_ends_so(block, weights, i):
    with torch.no_grad():
        for part, theirs in PARTS.items():
            for name, x in weights.items():
                if name.startswith(f"encoder.layer.{i}.") and name.endswith(
                    theirs.removeprefix("attention.")
                ):
                    block.get_parameter(part).copy_(x)


@known("another-tensor")
def a_bias_in_every_row(block, weights, i):
    with torch.no_grad():
        for theirs, ours in NAMES.items():
            for parameter in block.get_submodule(ours).parameters():
                parameter.copy_(weights[f"encoder.layer.{i}.{theirs}.bias"])


@known("aliased")
def data_itself(block, weights, i):
    for theirs, ours in NAMES.items():
        part = block.get_submodule(ours)
        part.weight.data = weights[f"encoder.layer.{i}.{theirs}.weight"]
        part.bias.data = weights[f"encoder.layer.{i}.{theirs}.bias"]


@known("aliased")
def parameters_of_the_file(block, weights, i):
    for theirs, ours in NAMES.items():
        part = block.get_submodule(ours)
        part.weight = nn.Parameter(weights[f"encoder.layer.{i}.{theirs}.weight"])
        part.bias = nn.Parameter(weights[f"encoder.layer.{i}.{theirs}.bias"])


@known("frozen")
def frozen_as_well(block, weights, i):
    part_by_part(block, weights, i)
    block.requires_grad_(False)


@known("needs-no-grad")
def copied_where_torch_watches(block, weights, i):
    block.attention.to_query.weight.copy_(weights[f"encoder.layer.{i}.attention.self.query.weight"])


@known("no-parameter")
def a_tensor_in_its_place(block, weights, i):
    block.attention.to_query.weight = weights[f"encoder.layer.{i}.attention.self.query.weight"]


@known("no-such-name")
def without_self(block, weights, i):
    with torch.no_grad():
        block.attention.to_query.weight.copy_(weights[f"encoder.layer.{i}.attention.query.weight"])


@known("other-names")
def names_as_they_are(block, weights, i):
    start = f"encoder.layer.{i}."
    block.load_state_dict({k.removeprefix(start): x for k, x in weights.items() if k.startswith(start)})


@known("nothing-loaded")
def not_strict(block, weights, i):
    start = f"encoder.layer.{i}."
    own = {k.removeprefix(start): x for k, x in weights.items() if k.startswith(start)}
    block.load_state_dict(own, strict=False)


@known("new-block")
def a_block_of_its_own(block, weights, i):
    made = copy.deepcopy(block)
    part_by_part(made, weights, i)
    return made


@known("parameter-gone")
def a_linear_without_bias(block, weights, i):
    part_by_part(block, weights, i)
    block.attention.to_key.bias = None


@known("weights-changed")
def taken_out(block, weights, i):
    with torch.no_grad():
        for part, parameter in block.named_parameters():
            parameter.copy_(weights.pop(f"encoder.layer.{i}.{PARTS[part]}"))


@known("weights-changed")
def turned_in_the_file(block, weights, i):
    part_by_part(block, weights, i)
    for x in weights.values():
        x.zero_()


@known("wrong-signature")
def without_i(block, weights):
    part_by_part(block, weights, 0)


def no_tensor_of_the_file(f):
    """Whether a parameter holds what no tensor of a small file does, nor one transposed."""
    block, weights = FILE.block(), FILE.weights()
    f(block, weights, 0)
    files = [y for x in weights.values() for y in (x, x.mT if x.ndim > 1 else x)]
    return any(
        not any(x.shape == y.shape and torch.allclose(x, y) for y in files) for x in block.parameters()
    )


@unlisted("a tensor of the file", no_tensor_of_the_file)
def half_precision_on_the_way(block, weights, i):
    loads(change=lambda part, x: x.half().float())(block, weights, i)


@unlisted("a tensor of the file", no_tensor_of_the_file)
def one_more_in_the_norms(block, weights, i):
    loads(change=lambda part, x: x + 1 if "norm" in part else x)(block, weights, i)


@unlisted("a tensor of the file", no_tensor_of_the_file)
def heads_apart(block, weights, i):
    loads(change=lambda part, x: x.roll(1, 0) if "to_value.weight" in part else x)(block, weights, i)


@unlisted("RuntimeError", None, status="error")
def shapes_of_another_file(block, weights, i):
    part_by_part(block, weights, i)
    block.norm_1.weight.data.copy_(torch.ones(5))


@unlisted("AttributeError", None, status="error")
def another_models_names(block, weights, i):
    block.attention.query.weight.data.copy_(weights[f"encoder.layer.{i}.attention.self.query.weight"])
