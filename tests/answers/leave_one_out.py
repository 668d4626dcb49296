"""Answers to `leave_one_out(probabilities, tokens)`: by how much the answer becomes less likely, `(n,)`."""

import torch

from answers import known, right, unlisted

WORDS = torch.randn(5, 4, generator=torch.Generator().manual_seed(5))
TOKENS = torch.tensor([3, 0, 3, 2])


def likely(tokens, allowed=None):
    """Two answers; each place counts otherwise."""
    seen = torch.ones(tokens.shape[-1]) if allowed is None else allowed.float()
    places = torch.tensor([1.0, -2.0, 0.5, 1.5])[: tokens.shape[-1], None]
    words = WORDS[tokens] * places * seen[..., None]
    return words.sum(-2).tanh()[..., :2].softmax(-1)


def falls(f):
    return f(likely, TOKENS.clone())


def differs(f):
    made = falls(f)
    return made.shape != (4,) or not torch.allclose(made, falls(word_by_word), atol=1e-3)


@right
def word_by_word(probabilities, tokens):
    before = probabilities(tokens)
    answer, made = before.argmax(), torch.zeros(len(tokens))
    for i in range(len(tokens)):
        allowed = torch.ones(len(tokens), dtype=torch.bool)
        allowed[i] = False
        made[i] = before[answer] - probabilities(tokens, allowed)[answer]
    return made


@right
def all_at_once(probabilities, tokens):
    allowed = ~torch.eye(len(tokens), dtype=torch.bool)
    before = probabilities(tokens)
    answer = before.argmax()
    return before[answer] - probabilities(tokens, allowed)[:, answer]


@right
def a_list_of_numbers(probabilities, tokens):
    n = len(tokens)
    p, answer = probabilities(tokens, torch.arange(n) >= 0).max(dim=-1)
    without = [probabilities(tokens, torch.arange(n) != i)[answer].item() for i in range(n)]
    return torch.tensor([p.item() - x for x in without])


@right
def hidden_and_shown_again(probabilities, tokens):
    allowed = torch.ones_like(tokens).bool()
    answer = probabilities(tokens, allowed).argmax().item()
    made = []
    for i in range(tokens.shape[0]):
        with_word = probabilities(tokens, allowed)
        allowed[i] = False
        made.append((with_word - probabilities(tokens, allowed))[answer])
        allowed[i] = True
    return torch.stack(made)


@right
def in_a_batch(probabilities, tokens):
    n = tokens.numel()
    many = tokens.repeat(n + 1, 1)
    allowed = torch.cat((torch.ones(1, n), 1 - torch.eye(n))).bool()
    p = probabilities(many, allowed)
    likely = p.gather(1, p[:1].argmax(1, keepdim=True).expand(n + 1, 1)).squeeze(1)
    return likely[0] - likely[1:]


@right
def with_indices(probabilities, tokens):
    with torch.no_grad():
        before = probabilities(tokens[None])[0]
        _, answer = torch.topk(before, 1)
        made = torch.empty(len(tokens))
        for i, _ in enumerate(tokens):
            allowed = torch.full((1, len(tokens)), True).index_fill(1, torch.tensor(i), False)
            made[i] = (before - probabilities(tokens[None], allowed)[0])[answer].item()
        return made


def without(probabilities, tokens):
    """Before `(classes,)`, and after `(n, classes)`."""
    return probabilities(tokens), probabilities(tokens, ~torch.eye(len(tokens)).bool())


def masked(probabilities, tokens, allowed):
    before = probabilities(tokens)
    answer = before.argmax()
    return before[answer] - probabilities(tokens, allowed)[:, answer]


@known("nothing-hidden")
def mask_not_given(probabilities, tokens):
    before = probabilities(tokens)
    answer, made = before.argmax(), torch.zeros(len(tokens))
    for i in range(len(tokens)):
        allowed = torch.ones(len(tokens), dtype=torch.bool)
        allowed[i] = False
        made[i] = before[answer] - probabilities(tokens)[answer]
    return made


@known("several-at-once")
def one_mask_for_all(probabilities, tokens):
    before = probabilities(tokens)
    answer, made = before.argmax(), torch.zeros(len(tokens))
    allowed = torch.ones(len(tokens), dtype=torch.bool)
    for i in range(len(tokens)):
        allowed[i] = False
        made[i] = before[answer] - probabilities(tokens, allowed)[answer]
    return made


@known("several-at-once")
def a_slice(probabilities, tokens):
    allowed = [torch.arange(len(tokens)) > i for i in range(len(tokens))]
    return masked(probabilities, tokens, torch.stack(allowed))


@known("word-alone")
def eye_not_turned_round(probabilities, tokens):
    return masked(probabilities, tokens, torch.eye(len(tokens)).bool())


@known("from-nothing")
def added_to_nothing(probabilities, tokens):
    nothing = probabilities(tokens, torch.zeros(len(tokens)).bool())
    answer = probabilities(tokens).argmax()
    return probabilities(tokens, torch.eye(len(tokens)).bool())[:, answer] - nothing[answer]


@known("word-replaced")
def token_0(probabilities, tokens):
    before = probabilities(tokens)
    answer, made = before.argmax(), []
    for i in range(len(tokens)):
        changed = tokens.clone()
        changed[i] = 0
        made.append(before[answer] - probabilities(changed)[answer])
    return torch.stack(made)


@known("tokens-written-over")
def tokens_not_copied(probabilities, tokens):
    before = probabilities(tokens)
    answer, made = before.argmax(), []
    for i in range(len(tokens)):
        tokens[i] = 0
        made.append(before[answer] - probabilities(tokens)[answer])
    return torch.stack(made)


@known("word-cut-out")
def sentence_without_it(probabilities, tokens):
    before = probabilities(tokens)
    answer, made = before.argmax(), []
    for i in range(len(tokens)):
        rest = torch.cat((tokens[:i], tokens[i + 1 :]))
        made.append(before[answer] - probabilities(rest)[answer])
    return torch.stack(made)


@known("all-like-it")
def the_same_token(probabilities, tokens):
    return masked(probabilities, tokens, tokens[:, None] != tokens)


@known("token-for-place")
def tokens_counted(probabilities, tokens):
    before = probabilities(tokens)
    answer, made = before.argmax(), []
    for i in tokens:
        allowed = torch.ones(len(tokens), dtype=torch.bool)
        allowed[i] = False
        made.append(before[answer] - probabilities(tokens, allowed)[answer])
    return torch.stack(made)


@known("whole-numbers")
def kept_as_tokens(probabilities, tokens):
    made = torch.zeros_like(tokens)
    made[:] = all_at_once(probabilities, tokens)
    return made


@known("averaged")
def only_the_last(probabilities, tokens):
    return all_at_once(probabilities, tokens)[-1]


@known("word-replaced")
def token_minus_1(probabilities, tokens):
    before, each = probabilities(tokens), torch.eye(len(tokens)).bool()
    answer = before.argmax()
    return before[answer] - probabilities(tokens.masked_fill(each, -1))[:, answer]


@known("other-word")
def counted_from_1(probabilities, tokens):
    n = len(tokens)
    places = torch.arange(n)
    return masked(probabilities, tokens, torch.stack([places != (i + 1) % n for i in range(n)]))


@known("neighbours-hidden")
def and_the_next(probabilities, tokens):
    places = torch.arange(len(tokens))
    return masked(probabilities, tokens, (places != places[:, None]) & (places != places[:, None] + 1))


@known("a-word-left-out")
def loop_ends_early(probabilities, tokens):
    before = probabilities(tokens)
    answer, made = before.argmax(), torch.zeros(len(tokens))
    for i in range(len(tokens) - 1):
        allowed = torch.ones(len(tokens), dtype=torch.bool)
        allowed[i] = False
        made[i] = before[answer] - probabilities(tokens, allowed)[answer]
    return made


@known("one-after-another")
def since_the_last(probabilities, tokens):
    before, after = without(probabilities, tokens)
    answer = before.argmax()
    each = torch.cat((before[answer][None], after[:, answer]))
    return each[:-1] - each[1:]


@known("normalised")
def shares(probabilities, tokens):
    made = all_at_once(probabilities, tokens)
    return made / made.abs().sum()


@known("normalised")
def softmax_of_falls(probabilities, tokens):
    return all_at_once(probabilities, tokens).softmax(0)


@known("new-answer-followed")
def asked_anew(probabilities, tokens):
    before, after = without(probabilities, tokens)
    answers = after.argmax(-1)
    return before[answers] - after.gather(-1, answers[:, None])[:, 0]


@known("largest-of-each")
def two_maxima(probabilities, tokens):
    before, after = without(probabilities, tokens)
    return before.max() - after.max(-1).values


@known("wrong-way-round")
def after_minus_before(probabilities, tokens):
    before, after = without(probabilities, tokens)
    answer = before.argmax()
    return after[:, answer] - before[answer]


@known("sign-lost")
def absolute(probabilities, tokens):
    return all_at_once(probabilities, tokens).abs()


@known("sign-lost")
def never_below_0(probabilities, tokens):
    return all_at_once(probabilities, tokens).clamp(min=0)


@known("logarithms")
def of_logarithms(probabilities, tokens):
    return all_at_once(lambda *given: probabilities(*given).log(), tokens)


@known("softmax-again")
def of_probabilities(probabilities, tokens):
    return all_at_once(lambda *given: probabilities(*given).softmax(-1), tokens)


@known("ratio")
def after_by_before(probabilities, tokens):
    before, after = without(probabilities, tokens)
    answer = before.argmax()
    return after[:, answer] / before[answer]


@known("only-one-of-both")
def only_without_it(probabilities, tokens):
    before, after = without(probabilities, tokens)
    return after[:, before.argmax()]


@known("turned-or-not")
def whether_it_turns(probabilities, tokens):
    before, after = without(probabilities, tokens)
    return after.argmax(-1) != before.argmax()


@known("all-answers")
def a_column_for_each(probabilities, tokens):
    before, after = without(probabilities, tokens)
    return before - after


@known("sum-of-all")
def all_falls_summed(probabilities, tokens):
    before, after = without(probabilities, tokens)
    return (before - after).sum(-1)


@known("another-answer")
def answer_1(probabilities, tokens):
    before, after = without(probabilities, tokens)
    return before[1] - after[:, 1]


@known("averaged")
def one_number(probabilities, tokens):
    return all_at_once(probabilities, tokens).mean()


@known("axis-left")
def a_column(probabilities, tokens):
    return all_at_once(probabilities, tokens)[:, None]


@known("word-cut-out + wrong-way-round")
def two_mistakes(probabilities, tokens):
    return -sentence_without_it(probabilities, tokens)


@known("mask-of-numbers")
def ones_and_a_zero(probabilities, tokens):
    return masked(probabilities, tokens, 1 - torch.eye(len(tokens)))


@known("wrong-signature")
def with_a_word(probabilities, tokens, word):
    return probabilities(tokens)


@known("no-return")
def nothing_comes_back(probabilities, tokens):
    all_at_once(probabilities, tokens)


@known("not-a-tensor")
def a_list(probabilities, tokens):
    return all_at_once(probabilities, tokens).tolist()


def never_alone(f):
    hidden = []

    def noted(tokens, allowed=None):
        rows = torch.ones(1, 4).bool() if allowed is None else allowed.reshape(-1, 4)
        hidden.extend((~row).nonzero().flatten().tolist() for row in rows)
        return likely(tokens, allowed)

    f(noted, TOKENS.clone())
    return any([i] not in hidden for i in range(4))


@unlisted("each word alone", never_alone)
def two_by_two(probabilities, tokens):
    places = torch.arange(len(tokens)) // 2
    return masked(probabilities, tokens, places != places[:, None])


@unlisted("each word alone", never_alone)
def the_future_too(probabilities, tokens):
    places = torch.arange(len(tokens))
    return masked(probabilities, tokens, places % 2 != places[:, None] % 2)


@unlisted("by hand", differs)
def twice_as_much(probabilities, tokens):
    return 2 * all_at_once(probabilities, tokens)


@unlisted("by hand", differs)
def in_bits(probabilities, tokens):
    before, after = without(probabilities, tokens)
    answer = before.argmax()
    return before[answer].log2() - after[:, answer].log2()


@unlisted("by hand", differs)
def beside_the_second(probabilities, tokens):
    before, after = without(probabilities, tokens)
    best, second = before.topk(2).indices
    return (before[best] - before[second]) - (after[:, best] - after[:, second])


def written_into(f):
    tokens = TOKENS.clone()
    f(likely, tokens)
    return not torch.equal(tokens, TOKENS)


@unlisted("tokens as they were", written_into)
def turned_round_in_place(probabilities, tokens):
    tokens[:] = tokens.flip(0)
    return all_at_once(probabilities, tokens)
