"""Answers to `read_patches(features, class_token, positions, blocks)`: `(tokens, answer)`."""

import torch

from answers import known, right, unlisted


@right
def four_lines(features, class_token, positions, blocks):
    patches = features + positions
    first = class_token.expand(len(features), 1, -1)
    tokens = torch.cat((first, patches), dim=1)
    return tokens, blocks(tokens)[:, 0]


@right
def filled_in_place(features, class_token, positions, blocks):
    batch, n, dim = features.shape
    tokens = features.new_empty(batch, 1 + n, dim)
    tokens[:, 0] = class_token
    tokens[:, 1:] = features + positions
    out = blocks(tokens)
    answer = out[:, 0, :]
    return tokens, answer


@right
def with_a_position_of_zero(features, class_token, positions, blocks):
    batch = features.shape[0]
    tokens = torch.cat([class_token.repeat(batch, 1, 1), features], dim=1)
    zero = torch.zeros_like(positions[:1])
    tokens = tokens + torch.cat([zero, positions], dim=0)
    answer, *_ = blocks(tokens).unbind(1)
    return tokens, answer


@right
def picture_by_picture(features, class_token, positions, blocks):
    rows = []
    for picture in features:
        words = [class_token]
        for patch, position in zip(picture, positions, strict=True):
            words.append(patch + position)
        rows.append(torch.stack(words))
    tokens = torch.stack(rows)
    return [tokens, blocks(tokens).select(1, 0)]


@right
def added_afterwards(features, class_token, positions, blocks):
    tokens = torch.cat((class_token[None, None].expand(features.shape[0], -1, -1), features), dim=1)
    tokens[:, 1:] += positions
    return tokens, blocks(tokens)[:, 0]


def front(class_token, features):
    return class_token.expand(len(features), 1, -1)


# --- the class token ---------------------------------------------------------------------------------------


@known("class-token-last")
def behind(features, class_token, positions, blocks):
    tokens = torch.cat((features + positions, front(class_token, features)), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("class-token-last")
def behind_and_read_there(features, class_token, positions, blocks):
    tokens = torch.cat((features + positions, front(class_token, features)), dim=1)
    return tokens, blocks(tokens)[:, -1]


@known("class-token-added")
def added_to_all(features, class_token, positions, blocks):
    tokens = features + positions + class_token
    return tokens, blocks(tokens)[:, 0]


@known("no-class-token")
def without_one(features, class_token, positions, blocks):
    tokens = features + positions
    return tokens, blocks(tokens).mean(dim=1)


@known("first-patch-replaced")
def written_over_the_first(features, class_token, positions, blocks):
    tokens = features + positions
    tokens[:, 0] = class_token
    return tokens, blocks(tokens)[:, 0]


@known("many-class-tokens")
def one_for_each_patch(features, class_token, positions, blocks):
    tokens = torch.cat((class_token.expand_as(features), features + positions), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("class-token-in-one-picture")
def in_the_first_picture(features, class_token, positions, blocks):
    first = torch.zeros_like(features[:, :1])
    first[0] = class_token
    tokens = torch.cat((first, features + positions), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("empty-class-token")
def zeros_in_front(features, class_token, positions, blocks):
    tokens = torch.cat((torch.zeros_like(features[:, :1]), features + positions), dim=1)
    return tokens, blocks(tokens)[:, 0]


# --- positions ---------------------------------------------------------------------------------------------


@known("no-positions")
def no_positions(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("no-positions")
def sum_not_kept(features, class_token, positions, blocks):
    features.add(positions)
    tokens = torch.cat((front(class_token, features), features), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("positions-off-by-one")
def from_the_first_word_on(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features), dim=1)
    tokens[:, : len(positions)] += positions
    return tokens, blocks(tokens)[:, 0]


@known("positions-along-the-batch")
def one_for_each_picture(features, class_token, positions, blocks):
    batch = len(features)
    patches = features + positions[:batch].unsqueeze(1)
    tokens = torch.cat((front(class_token, features), patches), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("one-position-for-all")
def the_first_position(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions[0]), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("positions-backwards")
def in_reverse_order(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions.flip(0)), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("positions-multiplied")
def multiplied(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features * positions), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("positions-for-patches")
def only_positions(features, class_token, positions, blocks):
    patches = torch.zeros_like(features) + positions
    tokens = torch.cat((front(class_token, features), patches), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("positions-twice")
def twice(features, class_token, positions, blocks):
    features = features + positions
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("positions-averaged")
def halfway(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), (features + positions) / 2), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("positions-numbered")
def numbers_of_places(features, class_token, positions, blocks):
    number = torch.arange(features.shape[1])[:, None]
    tokens = torch.cat((front(class_token, features), features + number), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("class-token-placed")
def a_position_for_the_class_token_too(features, class_token, positions, blocks):
    first = front(class_token, features) + positions[0]
    tokens = torch.cat((first, features + positions), dim=1)
    return tokens, blocks(tokens)[:, 0]


# --- the answer --------------------------------------------------------------------------------------------


@known("last-word-read")
def read_at_the_end(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens)[:, -1]


@known("first-patch-read")
def read_at_word_1(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens)[:, 1]


@known("mean-read")
def averaged(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens).mean(1)


@known("sum-or-largest-read")
def largest(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens).max(dim=1).values


@known("read-before-the-blocks")
def blocks_not_used(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    blocks(tokens)
    return tokens, tokens[:, 0]


@known("blocks-twice")
def through_them_twice(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    out = blocks(tokens)
    out = blocks(out)
    return tokens, out[:, 0]


@known("blocks-without-class-token")
def patches_alone(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(features + positions)[:, 0]


@known("blocks-with-class-token-alone")
def the_class_token_by_itself(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens[:, :1])[:, 0]


@known("blocks-with-class-token-alone")
def word_0_before_the_blocks(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens[:, 0])


@known("all-words-returned")
def all_words(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens)


@known("axis-left")
def a_slice_of_one(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens)[:, :1]


@known("picture-for-word")
def first_picture(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens)[0]


@known("feature-for-word")
def first_feature(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens)[..., 0]


@known("answer-squeezed")
def squeezed(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens)[:, :1].squeeze()


# --- what comes back ---------------------------------------------------------------------------------------


@known("tokens-after-the-blocks")
def name_used_again(features, class_token, positions, blocks):
    x = torch.cat((front(class_token, features), features + positions), dim=1)
    x = blocks(x)
    return x, x[:, 0]


@known("other-order")
def answer_first(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return blocks(tokens)[:, 0], tokens


@known("one-part-alone")
def answer_alone(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return blocks(tokens)[:, 0]


# --- where it stops ----------------------------------------------------------------------------------------


@known("class-token-not-expanded")
def not_expanded(features, class_token, positions, blocks):
    first = class_token[None, None]
    tokens = torch.cat((first, features + positions), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("class-token-without-axes")
def without_axes(features, class_token, positions, blocks):
    tokens = torch.cat((class_token, features + positions), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("class-token-without-axes")
def an_axis_behind(features, class_token, positions, blocks):
    first = class_token.unsqueeze(1).expand(len(features), 1, -1)
    tokens = torch.cat((first, features + positions), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("joined-along-another-axis")
def along_the_features(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=-1)
    return tokens, blocks(tokens)[:, 0]


@known("positions-after-the-class-token")
def added_to_all_words(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features), dim=1)
    tokens = tokens + positions
    return tokens, blocks(tokens)[:, 0]


# --- gradients and digits ----------------------------------------------------------------------------------


@known("no-gradient")
def token_detached(features, class_token, positions, blocks):
    first = class_token.detach().expand(len(features), 1, -1)
    tokens = torch.cat((first, features + positions), dim=1)
    return tokens, blocks(tokens)[:, 0]


@known("loses-digits")
def tokens_in_float32(features, class_token, positions, blocks):
    batch, n, dim = features.shape
    tokens = torch.zeros(batch, n + 1, dim)
    tokens[:, 0] = class_token
    tokens[:, 1:] = features + positions
    return tokens, blocks(tokens)[:, 0]


# --- in no table -------------------------------------------------------------------------------------------


def double(x):
    return 2 * x


def of_two(f):
    """Tokens and answer for two patches: features 1 and 2, class token 5, positions 10 and 20."""
    given = torch.tensor([[[1.0], [2.0]]]), torch.tensor([5.0]), torch.tensor([[10.0], [20.0]])
    tokens, answer = f(*given, double)
    return tokens.flatten().tolist(), answer.flatten().tolist()


@unlisted("patches with their positions", lambda f: of_two(f)[0][1:] != [11, 22])
def positions_halved(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions / 2), dim=1)
    return tokens, blocks(tokens)[:, 0]


@unlisted("the class token", lambda f: of_two(f)[0][0] != 5)
def class_token_doubled(features, class_token, positions, blocks):
    tokens = torch.cat((2 * front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens)[:, 0]


@unlisted("the answer", lambda f: of_two(f)[1] != [10])
def answer_with_the_token_added(features, class_token, positions, blocks):
    tokens = torch.cat((front(class_token, features), features + positions), dim=1)
    return tokens, blocks(tokens)[:, 0] + tokens[:, 0]
