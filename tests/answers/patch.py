"""Answers to `patch(clean, corrupted, rest)`: how much of the clean answer each word brings back, `(n,)`."""

import torch

from answers import known, right, unlisted

CLEAN = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
CORRUPTED = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))


def rest(vectors):
    """Each place and each feature counts otherwise."""
    places = torch.tensor([1.0, -0.5, 0.25])[: vectors.shape[-2], None]
    return (vectors * places * torch.tensor([0.5, 1.0, -1.0, 0.25])).sum((-2, -1)).tanh()


def effects(f, clean=CLEAN):
    return f(clean.clone(), CORRUPTED.clone(), rest)


def differs(f):
    made = effects(f)
    return made.shape != (3,) or not torch.allclose(made, effects(word_by_word), atol=1e-3)


@right
def word_by_word(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = corrupted.clone()
        patched[i] = clean[i]
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect


@right
def all_at_once(clean, corrupted, rest):
    each = torch.eye(len(clean)).bool()[..., None]
    runs = rest(torch.where(each, clean, corrupted))
    return (runs - rest(corrupted)) / (rest(clean) - rest(corrupted))


@right
def put_in_and_taken_out(clean, corrupted, rest):
    bad, effects = rest(corrupted), []
    for i in range(clean.shape[0]):
        kept = corrupted[i].clone()
        corrupted[i] = clean[i]
        effects.append(rest(corrupted) - bad)
        corrupted[i] = kept
    return torch.stack(effects) / (rest(clean) - bad)


@right
def pieces_joined(clean, corrupted, rest):
    runs = [torch.cat((corrupted[:i], clean[i : i + 1], corrupted[i + 1 :])) for i in range(len(clean))]
    good, bad, *each = rest(torch.stack((clean, corrupted, *runs)))
    return torch.stack(each).sub(bad).div(good - bad)


@right
def in_plain_numbers(clean, corrupted, rest):
    bad, good = rest(corrupted).item(), rest(clean).item()
    effect = []
    for i, row in enumerate(clean.tolist()):
        patched = corrupted.tolist()
        patched[i] = row
        effect.append((rest(torch.tensor(patched)).item() - bad) / (good - bad))
    return torch.tensor(effect)


@right
def a_difference_added(clean, corrupted, rest):
    with torch.no_grad():
        n = len(clean)
        each = corrupted.repeat(n, 1, 1) + torch.eye(n)[..., None] * (clean - corrupted)
        missing = rest(clean) - rest(each)
        return 1 - missing / (rest(clean) - rest(corrupted))


def runs(clean, corrupted, rest):
    """What each run answers, the clean one and the corrupted one."""
    each = torch.eye(len(clean)).bool()[..., None]
    return rest(torch.where(each, clean, corrupted)), rest(clean), rest(corrupted)


def becomes(clean, corrupted, rest, vectors):
    each, bad = torch.eye(len(clean)).bool()[..., None], rest(corrupted)
    return (rest(torch.where(each, vectors, corrupted)) - bad) / (rest(clean) - bad)


@known("stays-patched")
def not_copied(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = corrupted
        patched[i] = clean[i]
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect


@known("stays-patched")
def copied_before_the_loop(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect, patched = torch.zeros(len(clean)), corrupted.clone()
    for i in range(len(clean)):
        patched[i] = clean[i]
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect


@known("stays-patched")
def kept_as_a_view(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        kept = corrupted[i]
        corrupted[i] = clean[i]
        effect[i] = (rest(corrupted) - bad) / (good - bad)
        corrupted[i] = kept
    return effect


@known("stays-patched")
def since_the_last_word(clean, corrupted, rest):
    effect, before = torch.zeros(len(clean)), rest(corrupted)
    size = rest(clean) - before
    for i in range(len(clean)):
        corrupted[i] = clean[i]
        effect[i] = (rest(corrupted) - before) / size
        before = rest(corrupted)
    return effect


@known("asked-again")
def all_in_the_loop(clean, corrupted, rest):
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = corrupted
        patched[i] = clean[i]
        effect[i] = (rest(patched) - rest(corrupted)) / (rest(clean) - rest(corrupted))
    return effect


@known("asked-again")
def all_in_the_loop_of_clean(clean, corrupted, rest):
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = clean
        patched[i] = corrupted[i]
        effect[i] = (rest(patched) - rest(corrupted)) / (rest(clean) - rest(corrupted))
    return effect


@known("asked-again")
def before_each_word(clean, corrupted, rest):
    good, effect = rest(clean), torch.zeros(len(clean))
    for i in range(len(clean)):
        bad = rest(corrupted)
        corrupted[i] = clean[i]
        effect[i] = (rest(corrupted) - bad) / (good - bad)
    return effect


@known("clean-written-into")
def into_the_clean_ones(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = clean
        patched[i] = corrupted[i]
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect


@known("wrong-direction")
def corrupted_into_clean(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = clean.clone()
        patched[i] = corrupted[i]
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect


@known("wrong-direction + what-is-missing")
def what_is_lost(clean, corrupted, rest):
    runs = rest(torch.where(torch.eye(len(clean)).bool()[..., None], corrupted, clean))
    return (rest(clean) - runs) / (rest(clean) - rest(corrupted))


@known("no-effect")
def copy_not_used(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = corrupted.clone()
        patched[i] = clean[i]
        effect[i] = (rest(corrupted) - bad) / (good - bad)
    return effect


@known("no-effect")
def clean_overwritten_first(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = clean
        patched[:] = corrupted
        patched[i] = clean[i]
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect


@known("all-patched")
def without_an_index(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = corrupted.clone()
        patched[:] = clean
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect


@known("wrong-direction")
def mask_turned_round(clean, corrupted, rest):
    each = ~torch.eye(len(clean)).bool()[..., None]
    return (rest(torch.where(each, clean, corrupted)) - rest(corrupted)) / (rest(clean) - rest(corrupted))


@known("feature-for-word")
def a_column(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = corrupted.clone()
        patched[:, i] = clean[:, i]
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect


@known("one-feature-patched")
def the_first_feature(clean, corrupted, rest):
    vectors = corrupted.clone()
    vectors[:, 0] = clean[:, 0]
    return becomes(clean, corrupted, rest, vectors)


@known("other-word")
def the_next_word(clean, corrupted, rest):
    n, bad = len(clean), rest(corrupted)
    effect = torch.zeros(n)
    for i in range(n):
        patched = corrupted.clone()
        patched[i] = clean[(i + 1) % n]
        effect[i] = (rest(patched) - bad) / (rest(clean) - bad)
    return effect


@known("zeroed")
def nothing_put_in(clean, corrupted, rest):
    return becomes(clean, corrupted, rest, torch.zeros_like(clean))


@known("added")
def on_top(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean)):
        patched = corrupted.clone()
        patched[i] += clean[i]
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect


@known("mean-put-in")
def the_mean_word(clean, corrupted, rest):
    return becomes(clean, corrupted, rest, clean.mean(dim=0, keepdim=True))


@known("what-is-missing")
def beside_the_clean_run(clean, corrupted, rest):
    each, good, bad = runs(clean, corrupted, rest)
    return (good - each) / (good - bad)


@known("sign-turned")
def divided_the_wrong_way_round(clean, corrupted, rest):
    each, good, bad = runs(clean, corrupted, rest)
    return (each - bad) / (bad - good)


@known("not-normalised")
def a_difference_alone(clean, corrupted, rest):
    each, _, bad = runs(clean, corrupted, rest)
    return each - bad


@known("divided-by-another")
def of_the_clean_answer(clean, corrupted, rest):
    each, good, bad = runs(clean, corrupted, rest)
    return (each - bad) / good


@known("brackets-missing")
def division_first(clean, corrupted, rest):
    each, good, bad = runs(clean, corrupted, rest)
    return each - bad / good - bad


@known("one-number")
def outside_the_loop(clean, corrupted, rest):
    return all_at_once(clean, corrupted, rest)[-1]


@known("corrupted-not-subtracted")
def a_share_of_the_clean_answer(clean, corrupted, rest):
    each, good, _ = runs(clean, corrupted, rest)
    return each / good


@known("answers-of-runs")
def answers_alone(clean, corrupted, rest):
    return runs(clean, corrupted, rest)[0]


@known("nearness")
def how_near(clean, corrupted, rest):
    each, good, bad = runs(clean, corrupted, rest)
    return 1 - (each - good).abs() / (good - bad).abs()


@known("sign-lost")
def between_0_and_1(clean, corrupted, rest):
    return all_at_once(clean, corrupted, rest).clamp(0, 1)


@known("shares")
def that_sum_to_1(clean, corrupted, rest):
    made = all_at_once(clean, corrupted, rest)
    return made / made.sum()


@known("a-word-left-out")
def loop_ends_early(clean, corrupted, rest):
    good, bad = rest(clean), rest(corrupted)
    effect = torch.zeros(len(clean))
    for i in range(len(clean) - 1):
        patched = corrupted.clone()
        patched[i] = clean[i]
        effect[i] = (rest(patched) - bad) / (good - bad)
    return effect


@known("one-number")
def the_mean(clean, corrupted, rest):
    return all_at_once(clean, corrupted, rest).mean()


@known("axis-left")
def a_row_of_effects(clean, corrupted, rest):
    return all_at_once(clean, corrupted, rest)[None]


@known("stays-patched + not-normalised")
def two_mistakes(clean, corrupted, rest):
    bad, effect = rest(corrupted), torch.zeros(len(clean))
    for i in range(len(clean)):
        corrupted[i] = clean[i]
        effect[i] = rest(corrupted) - bad
    return effect


@known("wrong-signature")
def without_the_rest(clean, corrupted):
    return clean - corrupted


@known("no-return")
def nothing_comes_back(clean, corrupted, rest):
    all_at_once(clean, corrupted, rest)


@known("not-a-tensor")
def a_list(clean, corrupted, rest):
    return all_at_once(clean, corrupted, rest).tolist()


def never_alone(f):
    seen = []

    def noted(vectors):
        seen.extend(vectors.clone().reshape(-1, *vectors.shape[-2:]))
        return rest(vectors)

    f(CLEAN.clone(), CORRUPTED.clone(), noted)
    alone = torch.where(torch.eye(3).bool()[..., None], CLEAN, CORRUPTED)
    return any(not any(torch.equal(x, run) for x in seen) for run in alone)


@unlisted("each word alone", never_alone)
def a_third_of_it(clean, corrupted, rest):
    return becomes(clean, corrupted, rest, corrupted + (clean - corrupted) / 3)


@unlisted("each word alone", never_alone)
def two_words_each(clean, corrupted, rest):
    each = torch.eye(len(clean)).bool()
    mask = (each | each.roll(1, 1))[..., None]
    return (rest(torch.where(mask, clean, corrupted)) - rest(corrupted)) / (rest(clean) - rest(corrupted))


def not_all_of_it(f):
    """Where word 0 alone differs, its effect should be 1, and all others 0."""
    made = effects(f, torch.cat((CLEAN[:1], CORRUPTED[1:])))
    return not torch.allclose(made, torch.tensor([1.0, 0, 0]), atol=1e-3)


@unlisted("each word alone", never_alone)
def patched_word_first(clean, corrupted, rest):
    n, bad, effect = len(clean), rest(corrupted), []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        patched = torch.cat((clean[i : i + 1], corrupted[others]))
        effect.append((rest(patched) - bad) / (rest(clean) - bad))
    return torch.stack(effect)


@unlisted("all that differs", not_all_of_it)
def in_per_cent(clean, corrupted, rest):
    return 100 * all_at_once(clean, corrupted, rest)


@unlisted("all that differs", not_all_of_it)
def less_a_half(clean, corrupted, rest):
    return all_at_once(clean, corrupted, rest) - 0.5


@unlisted("not right yet: effect differs", differs)
def cubed(clean, corrupted, rest):
    return all_at_once(clean, corrupted, rest) ** 3


def written_into(f):
    corrupted = CORRUPTED.clone()
    f(CLEAN.clone(), corrupted, rest)
    return not torch.equal(corrupted, CORRUPTED)


@unlisted("given as it was", written_into)
def centred_in_place(clean, corrupted, rest):
    corrupted -= corrupted.mean(dim=0)
    return all_at_once(clean, corrupted, rest)
